package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// seconds is how long instances may take to act on a change in the store.
const seconds = 10 * time.Second

// tenant is a tenant as the admin API shows it.
type tenant struct {
	ID                 string    `json:"id"`
	Name               string    `json:"name"`
	Disabled           bool      `json:"disabled"`
	RateLimitPerMinute *int      `json:"rateLimitPerMinute"`
	RetentionDays      *int      `json:"retentionDays"`
	CreatedAt          time.Time `json:"createdAt"`
	UpdatedAt          time.Time `json:"updatedAt"`
	Erasure            *struct {
		Status       string     `json:"status"`
		Before       time.Time  `json:"before"`
		ErasedEvents int        `json:"erasedEvents"`
		FinishedAt   *time.Time `json:"finishedAt"`
	} `json:"erasure"`
}

func createTenant(t *testing.T, admin *harness.Client, body string) (created tenant) {
	t.Helper()
	admin.Do(http.MethodPost, "/admin/tenants", body).Want(http.StatusCreated).Into(&created)
	return created
}

func getTenant(t *testing.T, admin *harness.Client, id string) (found tenant) {
	t.Helper()
	admin.Do(http.MethodGet, "/admin/tenants/"+id, "").Want(http.StatusOK).Into(&found)
	return found
}

// answers waits until a client's requests are answered with a status.
func answers(t *testing.T, client *harness.Client, status int) {
	t.Helper()
	harness.Eventually(t, seconds, fmt.Sprintf("requests to be answered with %d", status), func() error {
		if response := client.Do(http.MethodGet, "/inbox", ""); response.Status != status {
			return fmt.Errorf("%d %s", response.Status, response.Body)
		}
		return nil
	})
}

func TestTenantsCreate(t *testing.T) {
	t.Parallel()
	_, admin := administered(t)
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		admin := admin.In(t)
		plain := createTenant(t, admin, `{"id":"plain"}`)
		if plain.Name != "" || plain.Disabled || plain.RateLimitPerMinute != nil || plain.RetentionDays != nil || plain.Erasure != nil ||
			time.Since(plain.CreatedAt).Abs() > time.Minute || !plain.UpdatedAt.Equal(plain.CreatedAt) {
			t.Errorf("%+v", plain)
		}
		full := admin.Do(http.MethodPost, "/admin/tenants", `{"id":"full","name":"Ünïted 株式会社 🙂","rateLimitPerMinute":0,"retentionDays":36500}`).Want(http.StatusCreated)
		if full.Text("name") != "Ünïted 株式会社 🙂" || full.Value("rateLimitPerMinute") != 0.0 || full.Value("retentionDays") != 36500.0 {
			t.Errorf("%s", full.Body)
		}
		got := admin.Do(http.MethodGet, "/admin/tenants/full", "").Want(http.StatusOK)
		if !bytes.Equal(got.Body, full.Body) {
			t.Errorf("%s, and when created %s", got.Body, full.Body)
		}
		createTenant(t, admin, `{"id":"nulls","name":"","rateLimitPerMinute":null,"retentionDays":null}`)
	})
	t.Run("Ids", func(t *testing.T) {
		t.Parallel()
		admin := admin.In(t)
		for _, id := range []string{"a%b", "a%41", "aA", "a+b", "a?b#c", "a;b=c", `"\`, "Case", "case", "evt_1", strings.Repeat("x", 128)} {
			body, err := json.Marshal(map[string]string{"id": id})
			if err != nil {
				t.Fatal(err)
			}
			createTenant(t, admin, string(body))
			for _, path := range []string{url.PathEscape(id), strings.ReplaceAll(fmt.Sprintf(" % X", id), " ", "%")} {
				if found := getTenant(t, admin, path); found.ID != id {
					t.Errorf("%s is at the path of %s", found.ID, id)
				}
			}
		}
	})
	t.Run("ErrExists", func(t *testing.T) {
		t.Parallel()
		admin := admin.In(t)
		createTenant(t, admin, `{"id":"twice","name":"first"}`)
		for _, id := range []string{"twice", "tenant_a"} {
			refused := admin.Do(http.MethodPost, "/admin/tenants", `{"id":"`+id+`","name":"second"}`).WantError(http.StatusConflict, "TENANT_EXISTS")
			if refused.Text("error.field") != "id" {
				t.Errorf("%s", refused.Body)
			}
		}
		if found := getTenant(t, admin, "twice"); found.Name != "first" {
			t.Errorf("%+v", found)
		}
	})
	t.Run("ErrInvalid", func(t *testing.T) {
		t.Parallel()
		for body, want := range map[string]struct{ field, says string }{
			`{}`:                                 {"id", "is required"},
			`{"id":""}`:                          {"id", "must not be empty"},
			`{"id":"a/b"}`:                       {"id", `without "/"`},
			`{"id":"a b"}`:                       {"id", "visible ASCII"},
			`{"id":"é"}`:                         {"id", "visible ASCII"},
			`{"id":"a\u0000"}`:                   {"id", "visible ASCII"},
			`{"id":1}`:                           {"id", "must be a string"},
			`{"id":"x","name":"a\nb"}`:           {"name", "control characters"},
			`{"id":"x","name":null}`:             {"name", "must be a string"},
			`{"id":"x","rateLimitPerMinute":-1}`: {"rateLimitPerMinute", "at least 0"},
			`{"id":"x","rateLimitPerMinute":1000000001}`:           {"rateLimitPerMinute", "at most"},
			`{"id":"x","rateLimitPerMinute":1.5}`:                  {"rateLimitPerMinute", "must be an integer"},
			`{"id":"x","retentionDays":-1}`:                        {"retentionDays", "at least 0"},
			`{"id":"x","retentionDays":36501}`:                     {"retentionDays", "at most 36500"},
			`{"id":"x","retentionDays":"30"}`:                      {"retentionDays", "must be an integer"},
			`{"id":"x","disabled":true}`:                           {"disabled", ""},
			`{"id":"x","id":"y"}`:                                  {"id", ""},
			`{"id":"` + strings.Repeat("x", 129) + `"}`:            {"id", "at most 128"},
			`{"id":"x","name":"` + strings.Repeat("é", 256) + `"}`: {"name", "at most 255"},
		} {
			refused := admin.In(t).Do(http.MethodPost, "/admin/tenants", body).WantError(http.StatusBadRequest, "INVALID_REQUEST")
			if refused.Text("error.field") != want.field || !strings.Contains(refused.Text("error.message"), want.says) {
				t.Errorf("%s: %s", body, refused.Body)
			}
		}
		admin.In(t).Do(http.MethodPost, "/admin/tenants", `{"id":"x"`).WantError(http.StatusBadRequest, "INVALID_JSON")
		admin.In(t).Do(http.MethodPost, "/admin/tenants", `{"id":"x"}`, "Content-Type", "").WantError(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
		admin.In(t).Do(http.MethodGet, "/admin/tenants/x", "").WantError(http.StatusNotFound, "TENANT_NOT_FOUND")
	})
}

// An id that cannot be one is answered like one that never was.
func TestTenantsErrNotFound(t *testing.T) {
	t.Parallel()
	_, admin := administered(t)
	for _, id := range []string{"nobody", "a%2Fb", "a%00b", "%FF", "tenant_A", "%20tenant_a", strings.Repeat("x", 129), strings.Repeat("x", 5000)} {
		for route, body := range map[string]string{
			"GET /": "", "PATCH /": `{"name":"x"}`, "GET /keys": "", "POST /keys": `{"name":"x"}`, "DELETE /data": "", "GET /export": "",
		} {
			method, rest, _ := strings.Cut(route, " ")
			admin.Do(method, "/admin/tenants/"+id+strings.TrimSuffix(rest, "/"), body).WantError(http.StatusNotFound, "TENANT_NOT_FOUND")
		}
		for _, key := range []string{"key_01K9S5Q980EZGSYJVD17502ECK", "x", "%00", strings.Repeat("x", 5000)} {
			admin.Do(http.MethodDelete, "/admin/tenants/"+id+"/keys/"+key, "").WantError(http.StatusNotFound, "KEY_NOT_FOUND")
			admin.Do(http.MethodPost, "/admin/tenants/"+id+"/keys/"+key+"/rotate", "").WantError(http.StatusNotFound, "KEY_NOT_FOUND")
		}
	}
}

func TestTenantsList(t *testing.T) {
	t.Parallel()
	_, admin := administered(t)
	created := []string{"Zoe", "a", "A", "a~", "aa", "_", "tenant_a0", "0"}
	for _, id := range created {
		createTenant(t, admin, `{"id":"`+id+`"}`)
	}
	want := slices.Sorted(slices.Values(append(created, "tenant_a", "tenant_b", "tenant_c"))) // the last three are of the environment
	for _, limit := range []string{"1", "2", "11", "12", "500"} {
		var got []string
		for cursor := ""; ; {
			var page struct {
				Tenants    []tenant
				NextCursor *string
			}
			admin.Do(http.MethodGet, "/admin/tenants?limit="+limit+cursor, "").Want(http.StatusOK).Into(&page)
			for _, found := range page.Tenants {
				got = append(got, found.ID)
			}
			if page.NextCursor == nil {
				break
			}
			cursor = "&cursor=" + url.QueryEscape(*page.NextCursor)
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %s: %v, want %v", limit, got, want)
		}
	}
	t.Run("ErrInvalid", func(t *testing.T) {
		for query, field := range map[string]string{
			"limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "cursor=": "cursor", "cursor=" + strings.Repeat("x", 201): "cursor", "nope=1": "nope",
		} {
			if refused := admin.In(t).Do(http.MethodGet, "/admin/tenants?"+query, "").WantError(http.StatusBadRequest, "INVALID_REQUEST"); refused.Text("error.field") != field {
				t.Errorf("%s: %s", query, refused.Body)
			}
		}
	})
	t.Run("OddCursor", func(t *testing.T) {
		for _, cursor := range []string{"%00", "%FF", "a%2Fb"} {
			if response := admin.In(t).Do(http.MethodGet, "/admin/tenants?cursor="+cursor, ""); response.Status >= http.StatusInternalServerError {
				t.Errorf("%s: %d %s", cursor, response.Status, response.Body)
			}
		}
	})
}

func TestTenantsUpdate(t *testing.T) {
	t.Parallel()
	_, admin := administered(t)
	t.Run("OK", func(t *testing.T) {
		admin := admin.In(t)
		created := createTenant(t, admin, `{"id":"acme","name":"Acme","rateLimitPerMinute":5,"retentionDays":7}`)
		for _, c := range []struct{ body, name, disabled, rate, retention string }{
			{`{"name":"Acme Inc."}`, "Acme Inc.", "false", "5", "7"},
			{`{"rateLimitPerMinute":null}`, "Acme Inc.", "false", "<nil>", "7"},
			{`{"rateLimitPerMinute":0,"disabled":true}`, "Acme Inc.", "true", "0", "7"},
			{`{"retentionDays":null}`, "Acme Inc.", "true", "0", "<nil>"},
			{`{"retentionDays":0,"name":""}`, "", "true", "0", "0"},
			{`{"disabled":false}`, "", "false", "0", "0"},
		} {
			changed := admin.Do(http.MethodPatch, "/admin/tenants/acme", c.body).Want(http.StatusOK)
			got := []string{
				changed.Text("name"), fmt.Sprint(changed.Value("disabled")), fmt.Sprint(changed.Value("rateLimitPerMinute")), fmt.Sprint(changed.Value("retentionDays")),
			}
			if !slices.Equal(got, []string{c.name, c.disabled, c.rate, c.retention}) {
				t.Errorf("%s: %s", c.body, changed.Body)
			}
			if found := admin.Do(http.MethodGet, "/admin/tenants/acme", "").Want(http.StatusOK); !bytes.Equal(found.Body, changed.Body) {
				t.Errorf("%s: %s, and then %s", c.body, changed.Body, found.Body)
			}
		}
		if found := getTenant(t, admin, "acme"); !found.CreatedAt.Equal(created.CreatedAt) || found.UpdatedAt.Before(created.UpdatedAt) {
			t.Errorf("%+v, created as %+v", found, created)
		}
	})
	t.Run("ErrInvalid", func(t *testing.T) {
		for body, field := range map[string]string{
			`{}`: "", `{"id":"x"}`: "id", `{"disabled":null}`: "disabled", `{"disabled":"yes"}`: "disabled", `{"name":1}`: "name",
			`{"rateLimitPerMinute":-1}`: "rateLimitPerMinute", `{"retentionDays":36501}`: "retentionDays", `{"createdAt":null}`: "createdAt", `[]`: "",
		} {
			if refused := admin.In(t).Do(http.MethodPatch, "/admin/tenants/tenant_a", body).WantError(http.StatusBadRequest, "INVALID_REQUEST"); refused.Text("error.field") != field {
				t.Errorf("%s: %s", body, refused.Body)
			}
		}
	})
	t.Run("Together", func(t *testing.T) {
		admin := admin.In(t)
		createTenant(t, admin, `{"id":"busy"}`)
		const rounds = 15
		var group sync.WaitGroup
		for _, change := range []string{`"name":"%d"`, `"rateLimitPerMinute":%d`, `"retentionDays":%d`} {
			group.Go(func() {
				for n := 1; n <= rounds; n++ {
					admin.Do(http.MethodPatch, "/admin/tenants/busy", "{"+fmt.Sprintf(change, n)+"}").Want(http.StatusOK)
				}
			})
		}
		group.Wait()
		if found := admin.Do(http.MethodGet, "/admin/tenants/busy", ""); found.Text("name") != strconv.Itoa(rounds) ||
			found.Value("rateLimitPerMinute") != float64(rounds) || found.Value("retentionDays") != float64(rounds) {
			t.Errorf("a change was lost: %s", found.Body)
		}
	})
}

// A disabled tenant is refused within seconds, whichever of its keys is used, and let in again when enabled.
func TestTenantsDisable(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	secret := createKey(t, admin, "tenant_a", `{"name":"k"}`).Key
	clients := []*harness.Client{server.Client(t, harness.Key), server.Client(t, secret)}
	for _, client := range clients {
		client.Post(`{"payload":{}}`)
	}
	admin.Do(http.MethodPatch, "/admin/tenants/tenant_a", `{"disabled":true}`).Want(http.StatusOK)
	for _, client := range clients {
		answers(t, client, http.StatusForbidden)
		client.Do(http.MethodPost, "/events", `{"payload":{}}`).WantError(http.StatusForbidden, "TENANT_DISABLED")
	}
	server.Client(t, harness.OtherKey).Post(`{"payload":{}}`)
	admin.Do(http.MethodPatch, "/admin/tenants/tenant_a", `{"disabled":false}`).Want(http.StatusOK)
	for _, client := range clients {
		answers(t, client, http.StatusOK)
	}
	t.Run("ByEnvironment", func(t *testing.T) {
		// DISABLED_TENANTS stands, whatever the store says.
		admin.In(t).Do(http.MethodPatch, "/admin/tenants/tenant_c", `{"disabled":false}`).Want(http.StatusOK)
		client := server.Client(t, createKey(t, admin.In(t), "tenant_c", `{"name":"k"}`).Key)
		for _, client := range []*harness.Client{client, server.Client(t, harness.DisabledKey)} {
			client.Do(http.MethodGet, "/inbox", "").WantError(http.StatusForbidden, "TENANT_DISABLED")
		}
	})
}

// A tenant's own limit takes the place of the server's for each of its keys.
func TestTenantsRateLimit(t *testing.T) {
	t.Parallel()
	server, admin := administered(t, "RATE_LIMIT_PER_MINUTE=1000")
	client, other := server.Client(t, harness.Key), server.Client(t, harness.OtherKey)
	shows := func(want string) {
		t.Helper()
		harness.Eventually(t, seconds, "the limit to be "+want, func() error {
			response := client.Do(http.MethodGet, "/inbox", "")
			usage := client.Do(http.MethodGet, "/usage", "").Want(http.StatusOK)
			told := "none"
			if limit := usage.Value("limit"); limit != nil {
				told = fmt.Sprint(limit)
			}
			if header := response.Header.Get("X-RateLimit-Limit"); told != want || (header != want && want != "none") || (header != "" && want == "none") {
				return fmt.Errorf("X-RateLimit-Limit is %q, /usage says %s", header, usage.Body)
			}
			return nil
		})
	}
	shows("1000")
	admin.Do(http.MethodPatch, "/admin/tenants/tenant_a", `{"rateLimitPerMinute":0}`).Want(http.StatusOK)
	shows("none")
	admin.Do(http.MethodPatch, "/admin/tenants/tenant_a", `{"rateLimitPerMinute":3}`).Want(http.StatusOK)
	shows("3")
	harness.Eventually(t, seconds, "the limit to be used up", func() error {
		if response := client.Do(http.MethodGet, "/inbox", ""); response.Status != http.StatusTooManyRequests {
			return errors.New(response.Header.Get("RateLimit"))
		}
		return nil
	})
	if header := other.Do(http.MethodGet, "/inbox", "").Want(http.StatusOK).Header.Get("X-RateLimit-Limit"); header != "1000" {
		t.Errorf("another tenant's limit is %s", header)
	}
	admin.Do(http.MethodPatch, "/admin/tenants/tenant_a", `{"rateLimitPerMinute":null}`).Want(http.StatusOK)
	shows("1000")
}

// A tenant's own retention takes the place of the server's. SQLite only: on it the test can make events old.
func TestRetentionOfTenants(t *testing.T) {
	t.Parallel()
	server, admin := administered(t, "RETENTION_DAYS=0")
	old := server.Client(t, harness.Key).Post(`{"payload":{}}`)
	others := server.Client(t, harness.OtherKey).Post(`{"payload":{}}`)
	young := server.Client(t, harness.Key).Post(`{"payload":{}}`)
	admin.Do(http.MethodPatch, "/admin/tenants/tenant_a", `{"retentionDays":10}`).Want(http.StatusOK)
	admin.Do(http.MethodPatch, "/admin/tenants/tenant_b", `{"retentionDays":0}`).Want(http.StatusOK)
	server.Stop()
	age(t, server.Database(), old, 11*24*time.Hour)
	age(t, server.Database(), others, 11*24*time.Hour)

	server = harness.Start(t, harness.Options{Dir: server.Dir, Env: []string{"RETENTION_DAYS=5"}})
	harness.Eventually(t, 20*time.Second, "the old event to be purged", func() error {
		if ids := harness.IDs(server.Client(t, harness.Key).InboxAll()); !slices.Equal(ids, []string{young}) {
			return fmt.Errorf("%v", ids)
		}
		return nil
	})
	server.Stop() // with it the round that purged has ended
	server = harness.Start(t, harness.Options{Dir: server.Dir, Env: []string{"RETENTION_DAYS=0"}})
	if events := server.Client(t, harness.OtherKey).InboxAll(); len(events) != 1 {
		t.Errorf("an event that is to be kept for ever is gone: %+v", events)
	}
}
