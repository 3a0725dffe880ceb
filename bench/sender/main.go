// The sender of the ingest benchmark: POSTs one body over kept-alive connections for a while, then says how that went.
//
//	sender URL BODY_FILE CONTENT_TYPE CONNECTIONS SECONDS [HEADER: VALUE ...]
//
// Prints one JSON object: answers by status, answers a second, and the latency's 50th and 99th percentile. It speaks
// HTTP by hand, so that on a machine it shares with the server it takes little of it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

type tally struct {
	statuses  map[int]int
	latencies []time.Duration
}

func main() {
	target, err := url.Parse(os.Args[1])
	check(err)
	body, err := os.ReadFile(os.Args[2])
	check(err)
	connections, err := strconv.Atoi(os.Args[4])
	check(err)
	seconds, err := strconv.ParseFloat(os.Args[5], 64)
	check(err)
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n",
		target.Path, target.Host, os.Args[3], len(body))
	for _, header := range os.Args[6:] {
		head += header + "\r\n"
	}
	request := append([]byte(head+"\r\n"), body...)

	began := time.Now()
	until := began.Add(time.Duration(seconds * float64(time.Second)))
	tallies := make([]tally, connections)
	var all sync.WaitGroup
	for number := range tallies {
		all.Add(1)
		go func(number int) {
			defer all.Done()
			tallies[number] = post(target.Host, request, until)
		}(number)
	}
	all.Wait()
	took := time.Since(began).Seconds()

	statuses, latencies := map[int]int{}, []time.Duration{}
	for _, each := range tallies {
		latencies = append(latencies, each.latencies...)
		for status, count := range each.statuses {
			statuses[status] += count
		}
	}
	sort.Slice(latencies, func(a, b int) bool { return latencies[a] < latencies[b] })
	check(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"statuses":   statuses,
		"per_second": float64(len(latencies)) / took,
		"p50_ms":     percentile(latencies, 50),
		"p99_ms":     percentile(latencies, 99),
	}))
}

func post(host string, request []byte, until time.Time) tally {
	made := tally{statuses: map[int]int{}}
	connection, err := net.Dial("tcp", host)
	check(err)
	defer connection.Close()
	answers := bufio.NewReader(connection)
	for time.Now().Before(until) {
		sent := time.Now()
		_, err := connection.Write(request)
		check(err)
		made.statuses[answer(answers)]++
		made.latencies = append(made.latencies, time.Since(sent))
	}
	return made
}

// answer reads one answer, whose body has an announced length, and returns its status.
func answer(answers *bufio.Reader) int {
	line, err := answers.ReadString('\n')
	check(err)
	status, err := strconv.Atoi(strings.Fields(line)[1])
	check(err)
	length := 0
	for {
		line, err := answers.ReadString('\n')
		check(err)
		line = strings.TrimSpace(line)
		if line == "" {
			break
		}
		if name, value, _ := strings.Cut(line, ":"); strings.EqualFold(name, "content-length") {
			length, err = strconv.Atoi(strings.TrimSpace(value))
			check(err)
		}
	}
	_, err = io.CopyN(io.Discard, answers, int64(length))
	check(err)
	return status
}

func percentile(sorted []time.Duration, percent int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return float64(sorted[(len(sorted)-1)*percent/100].Microseconds()) / 1000
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
