package tests

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// These tests are about one engine each, whatever TEST_ENGINE says.

// PostgreSQL loses its connections, is restarted and stays away for a while, all under load. Clients get 503, the server
// heals by itself, and nothing that was answered is missing.
func TestOutageOfPostgres(t *testing.T) {
	t.Parallel()
	postgres := harness.StartPostgres(t)
	server := harness.Start(t, harness.Options{Env: []string{"DATABASE_URL=" + postgres.Database(t, "outage")}})
	client := server.Client(t, harness.Key)
	load := startStream(t, 8, client)
	load.more(200)
	for range 5 {
		postgres.CutConnections(t)
		load.more(50)
	}
	for range 2 {
		postgres.Restart(t)
		load.more(50)
	}
	postgres.Stop(t)
	load.refused()
	client.Do(http.MethodGet, "/livez", "").Want(http.StatusOK)
	harness.Eventually(t, 20*time.Second, "the server to say that it is not ready", func() error {
		return wantStatus(client, "/readyz", http.StatusServiceUnavailable)
	})
	client.Do(http.MethodGet, "/inbox", "").WantError(http.StatusServiceUnavailable, "UNAVAILABLE")
	postgres.Start(t)
	load.more(100)
	load.finish(client)
	wantNoFaults(t, server)
}

// A server whose database is away starts all the same, and is ready once the database is there.
func TestPostgresAwayAtStart(t *testing.T) {
	t.Parallel()
	postgres := harness.StartPostgres(t)
	database := postgres.Database(t, "late")
	postgres.Stop(t)
	server := harness.StartUnready(t, harness.Options{Env: []string{"DATABASE_URL=" + database}})
	client := server.Client(t, harness.Key)
	client.Do(http.MethodGet, "/livez", "").Want(http.StatusOK)
	if store := client.Do(http.MethodGet, "/readyz", "").Want(http.StatusServiceUnavailable).Text("checks.store"); store != "unavailable" {
		t.Errorf("the store is %s", store)
	}
	response := client.Do(http.MethodPost, "/events", `{"payload":{}}`)
	response.WantError(http.StatusServiceUnavailable, "UNAVAILABLE")
	if response.Header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	if strings.Contains(server.Log()+server.Stderr(), database) {
		t.Error("the log has the database's URL, which may hold a password")
	}
	postgres.Start(t)
	harness.Eventually(t, 30*time.Second, "the server to be ready", func() error {
		return wantStatus(client, "/readyz", http.StatusOK)
	})
	client.Post(`{"payload":{}}`)
}

// DynamoDB answers errors, throttles, cuts connections and stalls, all under load.
func TestOutageOfDynamoDB(t *testing.T) {
	t.Parallel()
	moto := harness.StartAWS(t)
	for name, fault := range map[string]http.HandlerFunc{
		"errors":     awsError(http.StatusInternalServerError, "InternalServerError"),
		"throttling": awsError(http.StatusBadRequest, "ThrottlingException"),
		"cuts":       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"stalls": func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // or the server would not notice that the client gives up
			<-r.Context().Done()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := newFaults(t, moto.Endpoint)
			server := harness.Start(t, harness.Options{Env: harness.DynamoDBEnv(faults.url, "outage-"+name)})
			client := server.Client(t, harness.Key)
			load := startStream(t, 4, client)
			load.more(20)
			faults.inject(fault)
			load.refused()
			faults.inject(nil)
			load.more(20)
			load.finish(client)
			wantNoFaults(t, server)
		})
	}
}

// faults stands between a server and DynamoDB.
type faults struct {
	url   string
	fault atomic.Pointer[http.HandlerFunc]
}

func newFaults(t *testing.T, endpoint string) *faults {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	f := &faults{}
	proxy := httputil.NewSingleHostReverseProxy(target)
	transport := &http.Transport{}
	proxy.Transport = transport
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if fault := f.fault.Load(); fault != nil {
			(*fault)(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		front.CloseClientConnections()
		front.Close()
		transport.CloseIdleConnections()
	})
	f.url = front.URL
	return f
}

// inject has every request meet a fault, until nil makes all well again.
func (f *faults) inject(fault http.HandlerFunc) {
	if fault == nil {
		f.fault.Store(nil)
		return
	}
	f.fault.Store(&fault)
}

// awsError is an answer as DynamoDB refuses with.
func awsError(status int, code string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"__type":"com.amazonaws.dynamodb.v20120810#` + code + `","message":"injected"}`))
	}
}

func wantStatus(client *harness.Client, path string, status int) error {
	response, err := client.Try(http.MethodGet, path, "")
	if err != nil {
		return err
	}
	if response.Status != status {
		return &unexpected{path: path, status: response.Status}
	}
	return nil
}

type unexpected struct {
	path   string
	status int
}

func (u *unexpected) Error() string { return u.path + " answers " + http.StatusText(u.status) }

// wantNoFaults fails the test if the server has answered 500 or panicked.
func wantNoFaults(t *testing.T, server *harness.Server) {
	t.Helper()
	for _, line := range server.LogLines() {
		if line["status"] == float64(http.StatusInternalServerError) || line["stack"] != nil {
			t.Errorf("%v", line)
		}
	}
}
