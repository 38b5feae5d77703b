package tests

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// exporting begins an export. The caller closes the body.
func exporting(t *testing.T, server *harness.Server, tenantID string, dial func(context.Context, string, string) (net.Conn, error)) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/admin/tenants/"+tenantID+"/export", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+operatorKey)
	client := &http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusOK || kind != "application/x-ndjson" || response.Header.Get("X-Request-ID") == "" {
		t.Fatalf("%s %v", response.Status, response.Header)
	}
	return response
}

// export returns everything of a tenant.
func export(t *testing.T, server *harness.Server, tenantID string) string {
	t.Helper()
	response := exporting(t, server, tenantID, nil)
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// exported is an export that was read.
type exported struct {
	tenant tenant
	keys   []key
	events []harness.Event
}

// readExport reads an export, which has to be whole.
func readExport(t *testing.T, text string) (read exported) {
	t.Helper()
	ended := false
	for line := range strings.Lines(text) {
		var object struct {
			Tenant *tenant
			Key    *key
			Event  *harness.Event
			End    *struct{ Keys, Events int }
		}
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&object); err != nil || ended || !strings.HasSuffix(line, "\n") {
			t.Fatalf("%v: %q", err, line)
		}
		switch {
		case object.Tenant != nil:
			if read.tenant.ID != "" {
				t.Errorf("a second tenant: %s", line)
			}
			read.tenant = *object.Tenant
		case object.Key != nil:
			read.keys = append(read.keys, *object.Key)
		case object.Event != nil:
			read.events = append(read.events, *object.Event)
		case object.End != nil:
			ended = true
			if object.End.Keys != len(read.keys) || object.End.Events != len(read.events) {
				t.Errorf("%d keys and %d events, and then %s", len(read.keys), len(read.events), line)
			}
		default:
			t.Errorf("an unknown line: %s", line)
		}
	}
	if !ended || read.tenant.ID == "" {
		t.Fatalf("it is not whole: %s", text)
	}
	return read
}

func TestExport(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		admin := admin.In(t)
		createTenant(t, admin, `{"id":"acme","name":"Acme\u2028","rateLimitPerMinute":0,"retentionDays":0}`)
		var want exported
		for _, name := range []string{"first", "second"} {
			created := createKey(t, admin, "acme", `{"name":"`+name+`","scopes":["events:write","inbox:read","inbox:write"]}`)
			want.keys = append(want.keys, created.Details)
			if name == "second" {
				defer server.Client(t, created.Key).CloseIdle()
			}
			if name == "first" {
				client := server.Client(t, created.Key)
				const payload = `{"n": 1.10, "big":12345678901234567890,"text":"\u00e9\/é\u2028` + "\u2028" + `" ,"b":1e2,"a":[ ]}`
				pending := client.Post(`{"source":"s","type":"t","topic":"p","payload":`+payload+`}`, "Idempotency-Key", "k")
				acknowledged, deleted := client.Post(`{"payload":{}}`), client.Post(`{"payload":{"secret":1}}`)
				client.Do(http.MethodPost, "/inbox/"+acknowledged+"/ack", "").Want(http.StatusOK)
				client.Do(http.MethodDelete, "/inbox/"+deleted, "").Want(http.StatusOK)
				for _, id := range []string{pending, acknowledged, deleted} {
					var e harness.Event
					client.Do(http.MethodGet, "/events/"+id, "").Want(http.StatusOK).Into(&e)
					want.events = append(want.events, e)
				}
				if string(want.events[0].Payload) != payload {
					t.Fatalf("%s", want.events[0].Payload)
				}
			}
		}
		want.tenant = getTenant(t, admin, "acme")
		got := readExport(t, export(t, server, "acme"))
		for i := range got.keys {
			got.keys[i].LastUsedAt = nil
		}
		if g, w := text(t, got.tenant, got.keys), text(t, want.tenant, want.keys); g != w {
			t.Errorf("%s, want %s", g, w)
		}
		if g, w := text(t, got.events), text(t, want.events); g != w {
			t.Errorf("%s, want %s", g, w)
		}
		if string(got.events[0].Payload) != string(want.events[0].Payload) {
			t.Errorf("the payload is %s", got.events[0].Payload)
		}
	})
	t.Run("LineBreaks", func(t *testing.T) {
		t.Parallel()
		admin := admin.In(t)
		createTenant(t, admin, `{"id":"breaks"}`)
		server.Client(t, createKey(t, admin, "breaks", `{"name":"x"}`).Key).Post("{\"payload\":{\r\n\t\"a\" :\n 1}}")
		if got := readExport(t, export(t, server, "breaks")); len(got.events) != 1 || text(t, got.events[0].Payload) != `[{"a":1}]` {
			t.Errorf("%+v", got)
		}
	})
	t.Run("Pages", func(t *testing.T) {
		t.Parallel()
		admin := admin.In(t)
		createTenant(t, admin, `{"id":"large"}`)
		client := server.Client(t, createKey(t, admin, "large", `{"name":"x"}`).Key)
		ids := send(t, client, 1100)
		got := harness.IDs(readExport(t, export(t, server, "large")).events)
		if fmt.Sprint(got) != fmt.Sprint(ids) {
			t.Errorf("%d events, want %d", len(got), len(ids))
		}
	})
	t.Run("Empty", func(t *testing.T) {
		t.Parallel()
		createTenant(t, admin.In(t), `{"id":"empty"}`)
		if got := readExport(t, export(t, server, "empty")); len(got.keys)+len(got.events) > 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("ErrNotFound", func(t *testing.T) {
		t.Parallel()
		admin.In(t).Do(http.MethodGet, "/admin/tenants/nobody/export", "").WantError(http.StatusNotFound, "TENANT_NOT_FOUND")
	})
}

// text is objects as JSON, to compare them.
func text(t *testing.T, objects ...any) string {
	t.Helper()
	b, err := json.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// send stores so many events, a hundred at once, and returns their ids.
func send(t *testing.T, client *harness.Client, n int) (ids []string) {
	t.Helper()
	for len(ids) < n {
		var stored struct{ Results []struct{ ID string } }
		client.Do(http.MethodPost, "/events/batch", `{"events":[`+repeat(`{"type":"bulk","payload":{"a": 1}}`, min(100, n-len(ids)))+`]}`).
			Want(http.StatusOK).Into(&stored)
		for _, result := range stored.Results {
			ids = append(ids, result.ID)
		}
	}
	return ids
}

// A server that stops does not wait for the end of an export, and the client sees that it is not whole.
func TestExportStopped(t *testing.T) {
	t.Parallel()
	server, _ := administered(t)
	client := server.Client(t, harness.Key)
	for range 24 { // more than the buffers between server and client hold
		client.Post(padded(500_000))
	}
	client.CloseIdle()
	response := exporting(t, server, "tenant_a", func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return conn, conn.(*net.TCPConn).SetReadBuffer(4096)
	})
	defer response.Body.Close()
	body := bufio.NewReader(response.Body)
	if line, err := body.ReadString('\n'); err != nil || !strings.HasPrefix(line, `{"tenant":`) {
		t.Fatalf("%v: %s", err, line)
	}
	if err := syscall.Kill(server.Pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(t, 20*time.Second, "new connections to be refused", func() error {
		c, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
		if err == nil {
			_ = c.Close()
			return errors.New("one was made")
		}
		return nil
	})
	rest, _ := io.ReadAll(body) // it may well be cut
	if strings.Contains(string(rest), `{"end":`) {
		t.Errorf("the export went on to its end, for %d bytes", len(rest))
	}
	if err := server.Wait(20 * time.Second); err != nil {
		t.Errorf("ended with %v", err)
	}
}
