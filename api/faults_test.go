package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/limit"
	"github.com/triggers-api/triggers/store"
)

// faulty is a store that fails as told. Real ones fail in the black-box tests; this one also fails as they never should.
type faulty struct {
	store.Store
	fail func() error
}

func (f faulty) Append(context.Context, string, []store.NewEvent) ([]store.Receipt, error) {
	return nil, f.fail()
}

func (f faulty) Event(context.Context, string, store.EventID) (store.Event, error) {
	return store.Event{}, f.fail()
}

func (f faulty) List(context.Context, store.ListParams) (store.Page, error) {
	return store.Page{}, f.fail()
}

func (f faulty) Acknowledge(context.Context, string, []store.EventID) ([]store.Transition, error) {
	return nil, f.fail()
}

func (f faulty) Delete(context.Context, string, []store.EventID) ([]store.Transition, error) {
	return nil, f.fail()
}
func (f faulty) Check(context.Context) error { return f.fail() }

// Tenant fails for all but the caller's own, which every request looks up.
func (f faulty) Tenant(_ context.Context, id string) (store.Tenant, error) {
	if id == testTenant {
		return store.Tenant{ID: id}, nil
	}
	return store.Tenant{}, f.fail()
}

func (f faulty) Mark(context.Context) (time.Time, error) { return time.Time{}, f.fail() }

func (f faulty) CreateTenant(context.Context, store.Tenant) error { return f.fail() }

func (f faulty) Tenants(context.Context, string, int) ([]store.Tenant, error) {
	return nil, f.fail()
}

func (f faulty) CreateKey(context.Context, store.Key) error { return f.fail() }

func (f faulty) Keys(context.Context, string, string, int) ([]store.Key, error) {
	return nil, f.fail()
}

func (f faulty) ExpireKey(context.Context, string, string, time.Time) (store.Key, error) {
	return store.Key{}, f.fail()
}

const (
	testKey    = "key"
	testTenant = "tenant"
	secret     = "s3cret internals"
)

func newAPI(t *testing.T, fail func() error) (a *API, log *bytes.Buffer) {
	t.Helper()
	log = &bytes.Buffer{}
	a, err := New(Config{
		Store:       func() (store.Store, error) { return faulty{fail: fail}, nil },
		TenantByKey: map[string]string{testKey: testTenant}, AdminKey: testKey, EraseSoon: func() {}, Limiter: limit.NewBuckets(),
		Logger: slog.New(slog.NewJSONHandler(log, nil)), Version: "test", MaxPayloadBytes: 1000, MaxBatchBytes: 1000,
		RequestTimeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	return a, log
}

func ask(t *testing.T, a http.Handler, method, path string, body io.Reader) (*httptest.ResponseRecorder, gen.ErrorDetail) {
	t.Helper()
	request := httptest.NewRequest(method, path, body)
	request.Header.Set("X-API-Key", testKey)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	recorder := httptest.NewRecorder()
	a.ServeHTTP(recorder, request)
	var envelope gen.Error
	_ = json.Unmarshal(recorder.Body.Bytes(), &envelope)
	return recorder, envelope.Error
}

// requests are one for each operation that asks the store.
func requests() map[string]func() (method, path string, body io.Reader) {
	const id = "evt_01K9S5Q980EZGSYJVD17502ECG"
	plain := func(method, path, body string) func() (string, string, io.Reader) {
		return func() (string, string, io.Reader) {
			if body == "" {
				return method, path, nil
			}
			return method, path, strings.NewReader(body)
		}
	}
	return map[string]func() (string, string, io.Reader){
		"createEvent":       plain(http.MethodPost, "/events", `{"payload":{}}`),
		"createEventBatch":  plain(http.MethodPost, "/events/batch", `{"events":[{"payload":{}}]}`),
		"getEvent":          plain(http.MethodGet, "/events/"+id, ""),
		"listInbox":         plain(http.MethodGet, "/inbox", ""),
		"acknowledgeEvent":  plain(http.MethodPost, "/inbox/"+id+"/ack", ""),
		"acknowledgeEvents": plain(http.MethodPost, "/inbox/ack", `{"ids":["`+id+`"]}`),
		"deleteEvent":       plain(http.MethodDelete, "/inbox/"+id, ""),
		"createTenant":      plain(http.MethodPost, "/admin/tenants", `{"id":"t"}`),
		"listTenants":       plain(http.MethodGet, "/admin/tenants", ""),
		"getTenant":         plain(http.MethodGet, "/admin/tenants/t", ""),
		"updateTenant":      plain(http.MethodPatch, "/admin/tenants/t", `{"disabled":true}`),
		"createKey":         plain(http.MethodPost, "/admin/tenants/t/keys", `{"name":"n"}`),
		"listKeys":          plain(http.MethodGet, "/admin/tenants/t/keys", ""),
		"revokeKey":         plain(http.MethodDelete, "/admin/tenants/t/keys/k", ""),
		"rotateKey":         plain(http.MethodPost, "/admin/tenants/t/keys/k/rotate", ""),
		"eraseTenantData":   plain(http.MethodDelete, "/admin/tenants/t/data", ""),
		"exportTenant":      plain(http.MethodGet, "/admin/tenants/t/export", ""),
	}
}

func TestStoreFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail   func() error
		status int
		code   gen.ErrorCode
	}{
		"Unavailable": {func() error { return fmt.Errorf("%s: %w", secret, store.ErrUnavailable) }, http.StatusServiceUnavailable, gen.UNAVAILABLE},
		"Deadline":    {func() error { return fmt.Errorf("%s: %w", secret, context.DeadlineExceeded) }, http.StatusServiceUnavailable, gen.UNAVAILABLE},
		"Unknown":     {func() error { return errors.New(secret) }, http.StatusInternalServerError, gen.INTERNAL},
		"Panic":       {func() error { panic(secret) }, http.StatusInternalServerError, gen.INTERNAL},
	} {
		for operation, request := range requests() {
			t.Run(name+"/"+operation, func(t *testing.T) {
				t.Parallel()
				a, log := newAPI(t, c.fail)
				method, path, body := request()
				recorder, detail := ask(t, a, method, path, body)
				if recorder.Code != c.status || detail.Code != c.code || detail.RequestID != recorder.Header().Get("X-Request-ID") {
					t.Errorf("%d %+v", recorder.Code, detail)
				}
				if retry := recorder.Header().Get("Retry-After"); (retry != "") != (c.status == http.StatusServiceUnavailable) {
					t.Errorf("Retry-After: %q", retry)
				}
				if strings.Contains(recorder.Body.String(), secret) {
					t.Errorf("the answer shows internals: %s", recorder.Body)
				}
				if !strings.Contains(log.String(), secret) || !strings.Contains(log.String(), `"level":"ERROR"`) {
					t.Errorf("the log does not say what happened: %s", log)
				}
			})
		}
	}
}

func TestAbort(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, func() error { panic(http.ErrAbortHandler) })
	defer func() {
		if got := recover(); got != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
			t.Errorf("recovered %v", got)
		}
	}()
	ask(t, a, http.MethodGet, "/inbox", nil)
}

// slow is a body that the connection's deadline cuts off.
type slow struct{}

func (slow) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

func TestBodyFaults(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, func() error { t.Error("asked the store"); return nil })
	if recorder, detail := ask(t, a, http.MethodPost, "/events", slow{}); recorder.Code != http.StatusRequestTimeout || detail.Code != gen.REQUESTTIMEOUT {
		t.Errorf("%d %+v", recorder.Code, detail)
	}
	cut := io.MultiReader(strings.NewReader(`{"pay`), iotestErr{})
	if recorder, detail := ask(t, a, http.MethodPost, "/events", cut); recorder.Code != http.StatusBadRequest || detail.Code != gen.INVALIDREQUEST {
		t.Errorf("%d %+v", recorder.Code, detail)
	}
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestHealthFaults(t *testing.T) {
	t.Parallel()
	var failure error
	checks := 0
	a, _ := newAPI(t, func() error { checks++; return failure })
	get := func(path string) (int, gen.Health) {
		recorder, _ := ask(t, a, http.MethodGet, path, nil)
		var health gen.Health
		if err := json.Unmarshal(recorder.Body.Bytes(), &health); err != nil {
			t.Error(err)
		}
		if retry := recorder.Header().Get("Retry-After"); (retry != "") != (recorder.Code == http.StatusServiceUnavailable) {
			t.Errorf("%s: Retry-After %q", path, retry)
		}
		return recorder.Code, health
	}
	for range 10 {
		if status, health := get("/health"); status != http.StatusOK || health.Status != gen.HealthStatusHealthy {
			t.Errorf("%d %+v", status, health)
		}
	}
	if checks != 1 {
		t.Errorf("ten probes in a row wrote %d times", checks)
	}
	failure = errors.New(secret)
	a.health.at = time.Time{}
	for _, path := range []string{"/health", "/readyz"} {
		if status, health := get(path); status != http.StatusServiceUnavailable || health.Checks.Store != gen.HealthChecksStoreUnavailable {
			t.Errorf("%s: %d %+v", path, status, health)
		}
	}
	failure, a.health.at = nil, time.Time{}
	a.Stop()
	if status, health := get("/readyz"); status != http.StatusServiceUnavailable || health.Checks.Store != gen.HealthChecksStoreStopping {
		t.Errorf("%d %+v", status, health)
	}
	if status, _ := get("/health"); status != http.StatusOK {
		t.Errorf("/health while stopping: %d", status)
	}
}

// closeGaps keeps two kinds of mistakes from being answered 200.
func TestCloseGaps(t *testing.T) {
	t.Parallel()
	a, _ := newAPI(t, func() error { return nil })
	silent := closeGaps(func(_ echo.Context, _ any) (any, error) { return nil, nil }, "") //nolint:nilnil // what is tested
	for _, c := range []struct {
		call *call
		want error
	}{{&call{}, errUnguarded}, {&call{op: &operation{}}, errNoResponse}} {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		ctx := a.echo.NewContext(request.WithContext(context.WithValue(request.Context(), callKey{}, c.call)), httptest.NewRecorder())
		if _, err := silent(ctx, nil); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	for id, op := range operations(mustContract(t)) {
		if op.public != (op.params == nil && op.body == nil && id != "getUsage") {
			t.Errorf("%s: public is %v", id, op.public)
		}
	}
}
