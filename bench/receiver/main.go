// The endpoints of a benchmark: /ok/N answers at once, /slow/N?ms=50 after a while, /hang/N?ms=30000 hardly ever,
// /close/N at once and closes the connection, /hostile/N does one of the mischiefs below, by its number.
// What programs tell of themselves over OTLP, at /v1/, is taken and forgotten.
//
//	receiver [CERTIFICATE KEY]
//
// The body of a POST names when its event was handed to Kafka, `"at":<milliseconds since the epoch>`, or `at=` within a
// text; the receiver keeps that moment and the moment of receipt. GET /-/summary?prefix=/ok/&from=<ms>&to=<ms> tells of
// what was handed over in between, GET /-/count of all requests together; POST /-/reset forgets everything. Prints its
// port on the first line, and with a certificate the port for HTTPS behind it.
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
	"os"
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
	all     count
}

// count is of all endpoints together.
type count struct {
	Received int `json:"received"`
	Open     int `json:"open"`
	PeakOpen int `json:"peak_open"`
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
	l.all.Received++
	l.all.Open++
	l.all.PeakOpen = max(l.all.PeakOpen, l.all.Open)
}

func (l *ledger) leave(path string) {
	l.Lock()
	defer l.Unlock()
	l.open[path]--
	l.all.Open--
}

func (l *ledger) count() count {
	l.Lock()
	defer l.Unlock()
	return l.all
}

func (l *ledger) reset() {
	l.Lock()
	defer l.Unlock()
	l.samples, l.peak = map[string][]sample{}, map[string]int{}
	l.all = count{Open: l.all.Open}
}

type summary struct {
	Handed   int     `json:"handed"`    // requests whose event was handed over within [from, to)
	Received int     `json:"received"`  // requests received within [from, to)
	PeakOpen int     `json:"peak_open"` // most open at once to one path
	FirstMs  float64 `json:"first_ms"`
	LastMs   float64 `json:"last_ms"`
	P50Ms    float64 `json:"p50_ms"`
	P95Ms    float64 `json:"p95_ms"`
	P99Ms    float64 `json:"p99_ms"`
	MaxMs    float64 `json:"max_ms"`
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
	s.MaxMs = took[len(took)-1]
	s.P50Ms, s.P95Ms, s.P99Ms = quantile(0.5), quantile(0.95), quantile(0.99)
	return s
}

var markers = [][]byte{[]byte(`"at":`), []byte(`at=`)}

func handedOver(body []byte) float64 {
	for _, marker := range markers {
		if start := bytes.Index(body, marker); start >= 0 {
			return moment(body[start+len(marker):])
		}
	}
	return 0
}

func moment(rest []byte) float64 {
	end := bytes.IndexAny(rest, ",;}")
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

// What hostile endpoints do to a connection, on the raw socket; each until the other side hangs up, or for mischiefMost.
const mischiefMost = 60 * time.Second

var mischiefs = []func(net.Conn){
	func(c net.Conn) { // a head that drips, a byte a second
		for _, letter := range []byte("HTTP/1.1 200 OK\r\nServer: " + strings.Repeat("x", 300)) {
			if _, err := c.Write([]byte{letter}); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	},
	func(c net.Conn) { // headers without end
		flood(c, "HTTP/1.1 200 OK\r\n", "X-More: "+strings.Repeat("y", 1000)+"\r\n")
	},
	func(c net.Conn) { // a reset
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetLinger(0)
		}
	},
	func(c net.Conn) { // a body without end
		flood(c, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 1000000000\r\n\r\n", strings.Repeat("z", 16384))
	},
	func(c net.Conn) { // half an answer
		c.Write([]byte("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 1000\r\n\r\nhalf"))
	},
	func(c net.Conn) { // interim answers without end
		flood(c, "", "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n")
	},
}

func flood(c net.Conn, head, piece string) {
	if _, err := c.Write([]byte(head)); err != nil {
		return
	}
	// Much at once: it is the sender that shall have the work, on a machine that both share.
	pieces := []byte(strings.Repeat(piece, 1+(32<<10)/len(piece)))
	for {
		if _, err := c.Write(pieces); err != nil {
			return
		}
	}
}

func (l *ledger) hostile(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	l.enter(r.URL.Path, handedOver(body))
	defer l.leave(r.URL.Path)
	connection, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	connection.SetDeadline(time.Now().Add(mischiefMost))
	which, _ := strconv.Atoi(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
	mischiefs[which%len(mischiefs)](connection)
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
	mux.HandleFunc("/close/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		endpoint(0)(w, r)
	})
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	})
	mux.HandleFunc("/-/count", func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(book.count()) })
	mux.HandleFunc("/hostile/", book.hostile)
	mux.HandleFunc("/-/reset", func(w http.ResponseWriter, r *http.Request) { book.reset() })
	mux.HandleFunc("/-/summary", func(w http.ResponseWriter, r *http.Request) {
		s := book.summarise(r.URL.Query().Get("prefix"), number(r, "from", 0), number(r, "to", math.MaxFloat64))
		json.NewEncoder(w).Encode(s)
	})
	plain := listen()
	if len(os.Args) > 2 {
		secure := listen()
		go func() { log.Fatal(http.ServeTLS(secure, mux, os.Args[1], os.Args[2])) }()
		fmt.Println(port(plain), port(secure))
	} else {
		fmt.Println(port(plain))
	}
	log.Fatal(http.Serve(plain, mux))
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func port(listener net.Listener) int { return listener.Addr().(*net.TCPAddr).Port }
