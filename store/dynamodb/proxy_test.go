package dynamodb_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/triggers-api/triggers/tests/harness"
)

// fault does something to a request instead of passing it on, or after that; it tells whether it did.
type fault func(w http.ResponseWriter, r *http.Request, operation string, pass func()) bool

// proxy stands between a store and the server.
type proxy struct {
	URL string

	mu         sync.Mutex
	fault      fault
	operations map[string]int
}

func newProxy(t *testing.T) *proxy {
	t.Helper()
	target, err := url.Parse(harness.SharedAWS(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 32}
	t.Cleanup(transport.CloseIdleConnections)
	pass := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		Transport: transport,
	}
	p := &proxy{operations: map[string]int{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		p.mu.Lock()
		p.operations[operation]++
		act := p.fault
		p.mu.Unlock()
		if act == nil || !act(w, r, operation, func() { pass.ServeHTTP(w, r) }) {
			pass.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

func (p *proxy) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// forget begins to count anew.
func (p *proxy) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.operations)
}

// count is how many requests of an operation there were; of all when it has no name.
func (p *proxy) count(operation string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, times := range p.operations {
		if operation == "" || name == operation {
			n += times
		}
	}
	return n
}

// times has a fault happen n times.
func times(n int, f fault) fault {
	var mu sync.Mutex
	return func(w http.ResponseWriter, r *http.Request, operation string, pass func()) bool {
		mu.Lock()
		defer mu.Unlock()
		if n == 0 {
			return false
		}
		happened := true // also when it panics
		defer func() {
			if happened {
				n--
			}
		}()
		happened = f(w, r, operation, pass)
		return happened
	}
}

// refuse answers with an error of DynamoDB's.
func refuse(status int, code, more string) fault {
	return func(w http.ResponseWriter, r *http.Request, _ string, _ func()) bool {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"made up"%s}`, code, more)
		return true
	}
}

// only has a fault happen to one operation.
func only(name string, f fault) fault {
	return func(w http.ResponseWriter, r *http.Request, operation string, pass func()) bool {
		return operation == name && f(w, r, operation, pass)
	}
}

// unprocessed leaves a batch undone, as DynamoDB does with what it throttles.
func unprocessed(w http.ResponseWriter, r *http.Request, operation string, _ func()) bool {
	left := map[string]string{"BatchGetItem": "UnprocessedKeys", "BatchWriteItem": "UnprocessedItems"}[operation]
	if left == "" {
		return false
	}
	var batch struct{ RequestItems json.RawMessage }
	if json.NewDecoder(r.Body).Decode(&batch) != nil {
		return false
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = fmt.Fprintf(w, `{"Responses":{},%q:%s}`, left, batch.RequestItems)
	return true
}

// cut closes the connection without an answer.
func cut(http.ResponseWriter, *http.Request, string, func()) bool { panic(http.ErrAbortHandler) }

// cutAfter has the request done and its answer lost.
func cutAfter(t *testing.T) fault {
	t.Helper()
	target, server := harness.SharedAWS(t).Endpoint, client(t)
	return func(_ http.ResponseWriter, r *http.Request, _ string, _ func()) bool {
		request, err := http.NewRequestWithContext(r.Context(), r.Method, target, r.Body)
		if err == nil {
			request.Header = r.Header.Clone()
			if answer, err := server.Do(request); err == nil {
				_, _ = io.Copy(io.Discard, answer.Body)
				_ = answer.Body.Close()
			}
		}
		panic(http.ErrAbortHandler)
	}
}

// stall does not answer until the client gives up.
func stall(_ http.ResponseWriter, r *http.Request, _ string, _ func()) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
	return true
}

// client leaves no connection behind when the test ends.
func client(t *testing.T) *http.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
