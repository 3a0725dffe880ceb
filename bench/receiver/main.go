// The endpoints of a benchmark: /ok/N answers at once, /slow/N?ms=50 after a while, /hang/N?ms=30000 hardly ever.
//
// The body of a POST names when its event was handed to Kafka, `"at":<milliseconds since the epoch>`; the receiver
// keeps that moment and the moment of receipt. GET /-/summary?prefix=/ok/&from=<ms>&to=<ms> tells of what was
// handed over in between; POST /-/reset forgets everything. Prints its port on the first line.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"
)

type sample struct{ at, received float64 }

type ledger struct {
	sync.Mutex
	samples map[string][]sample
	open    map[string]int
	peak    map[string]int
}

func newLedger() *ledger {
	return &ledger{samples: map[string][]sample{}, open: map[string]int{}, peak: map[string]int{}}
}

func nowMs() float64 { return float64(time.Now().UnixNano()) / 1e6 }

func (l *ledger) enter(path string, at float64) {
	received := nowMs()
	l.Lock()
	defer l.Unlock()
	l.samples[path] = append(l.samples[path], sample{at, received})
	l.open[path]++
	l.peak[path] = max(l.peak[path], l.open[path])
}

func (l *ledger) leave(path string) {
	l.Lock()
	defer l.Unlock()
	l.open[path]--
}

func (l *ledger) reset() {
	l.Lock()
	defer l.Unlock()
	l.samples, l.peak = map[string][]sample{}, map[string]int{}
}

type summary struct {
	Handed     int     `json:"handed"`   // requests whose event was handed over within [from, to)
	Received   int     `json:"received"` // requests received within [from, to)
	Paths      int     `json:"paths"`
	Open       int     `json:"open"`
	PeakOpen   int     `json:"peak_open"` // most open at once to one path
	FirstMs    float64 `json:"first_ms"`
	LastMs     float64 `json:"last_ms"`
	P50Ms      float64 `json:"p50_ms"`
	P90Ms      float64 `json:"p90_ms"`
	P99Ms      float64 `json:"p99_ms"`
	MaxMs      float64 `json:"max_ms"`
	EarliestMs float64 `json:"earliest_ms"`
}

func (l *ledger) summarise(prefix string, from, to float64) summary {
	l.Lock()
	defer l.Unlock()
	s := summary{FirstMs: math.MaxFloat64}
	var took []float64
	for path, samples := range l.samples {
		if !strings.HasPrefix(path, prefix) {
			continue
		}
		s.Paths++
		s.Open += l.open[path]
		s.PeakOpen = max(s.PeakOpen, l.peak[path])
		for _, one := range samples {
			if one.received >= from && one.received < to {
				s.Received++
			}
			if one.at >= from && one.at < to {
				took = append(took, one.received-one.at)
				s.FirstMs = min(s.FirstMs, one.received)
				s.LastMs = max(s.LastMs, one.received)
			}
		}
	}
	s.Handed = len(took)
	if s.Handed == 0 {
		s.FirstMs = 0
		return s
	}
	sort.Float64s(took)
	quantile := func(q float64) float64 { return took[min(len(took)-1, int(q*float64(len(took))))] }
	s.EarliestMs, s.MaxMs = took[0], took[len(took)-1]
	s.P50Ms, s.P90Ms, s.P99Ms = quantile(0.5), quantile(0.9), quantile(0.99)
	return s
}

var marker = []byte(`"at":`)

func handedOver(body []byte) float64 {
	start := bytes.Index(body, marker)
	if start < 0 {
		return 0
	}
	rest := body[start+len(marker):]
	end := bytes.IndexAny(rest, ",}")
	if end < 0 {
		return 0
	}
	at, err := strconv.ParseFloat(string(bytes.TrimSpace(rest[:end])), 64)
	if err != nil {
		return 0
	}
	return at
}

func wait(r *http.Request, usual time.Duration) {
	if ms, err := strconv.Atoi(r.URL.Query().Get("ms")); err == nil {
		usual = time.Duration(ms) * time.Millisecond
	}
	select {
	case <-time.After(usual):
	case <-r.Context().Done():
	}
}

func number(r *http.Request, name string, otherwise float64) float64 {
	value, err := strconv.ParseFloat(r.URL.Query().Get(name), 64)
	if err != nil {
		return otherwise
	}
	return value
}

func main() {
	book := newLedger()
	endpoint := func(usual time.Duration) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			book.enter(r.URL.Path, handedOver(body))
			defer book.leave(r.URL.Path)
			if usual > 0 {
				wait(r, usual)
			}
			w.WriteHeader(http.StatusOK)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/ok/", endpoint(0))
	mux.HandleFunc("/well/", endpoint(0))
	mux.HandleFunc("/bare/", endpoint(0))
	mux.HandleFunc("/slow/", endpoint(50*time.Millisecond))
	mux.HandleFunc("/hang/", endpoint(30*time.Second))
	mux.HandleFunc("/-/reset", func(w http.ResponseWriter, r *http.Request) { book.reset() })
	mux.HandleFunc("/-/summary", func(w http.ResponseWriter, r *http.Request) {
		s := book.summarise(r.URL.Query().Get("prefix"), number(r, "from", 0), number(r, "to", math.MaxFloat64))
		json.NewEncoder(w).Encode(s)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, mux))
}
