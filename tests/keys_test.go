package tests

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
	"github.com/triggers-api/triggers/tests/harness"
)

// key is an API key as the admin API shows it.
type key struct {
	ID         string     `json:"id"`
	TenantID   string     `json:"tenantId"`
	Name       string     `json:"name"`
	Hint       string     `json:"hint"`
	Scopes     []string   `json:"scopes"`
	Status     string     `json:"status"`
	CreatedAt  time.Time  `json:"createdAt"`
	ExpiresAt  *time.Time `json:"expiresAt"`
	LastUsedAt *time.Time `json:"lastUsedAt"`
}

// newKey is the one answer that shows the key itself.
type newKey struct {
	Key     string `json:"key"`
	Details key    `json:"details"`
}

func createKey(t *testing.T, admin *harness.Client, tenantID, body string) (created newKey) {
	t.Helper()
	admin.Do(http.MethodPost, "/admin/tenants/"+tenantID+"/keys", body).Want(http.StatusCreated).Into(&created)
	return created
}

// listKeys follows the cursor to the last page.
func listKeys(t *testing.T, admin *harness.Client, tenantID, limit string) (keys []key) {
	t.Helper()
	for cursor := ""; ; {
		var page struct {
			Keys       []key
			NextCursor *string
		}
		admin.Do(http.MethodGet, "/admin/tenants/"+tenantID+"/keys?limit="+limit+cursor, "").Want(http.StatusOK).Into(&page)
		keys = append(keys, page.Keys...)
		if page.NextCursor == nil {
			return keys
		}
		cursor = "&cursor=" + *page.NextCursor
	}
}

func allScopes() (scopes []string) {
	for _, scope := range store.Scopes() {
		scopes = append(scopes, string(scope))
	}
	return scopes
}

var keyForm = regexp.MustCompile(`^trg_[0-9A-Za-z]{49}$`)

func TestKeysCreate(t *testing.T) {
	t.Parallel()
	server, admin := administered(t, "DEBUG=true")
	t.Run("OK", func(t *testing.T) {
		t.Parallel()
		created := createKey(t, admin.In(t), "tenant_a", `{"name":"billing service"}`)
		k := created.Details
		if !keyForm.MatchString(created.Key) || k.TenantID != "tenant_a" || k.Name != "billing service" || k.Status != "active" ||
			!strings.HasPrefix(created.Key, k.Hint) || len(k.Hint) > 10 || !slices.Equal(k.Scopes, allScopes()) ||
			k.ExpiresAt != nil || k.LastUsedAt != nil || time.Since(k.CreatedAt).Abs() > time.Minute {
			t.Errorf("%+v", created)
		}
		client := server.Client(t, created.Key)
		id := client.Post(`{"payload":{}}`)
		server.Client(t, "").Do(http.MethodGet, "/events/"+id, "", "X-API-Key", created.Key).Want(http.StatusOK)
		server.Client(t, harness.SecondKey).Do(http.MethodGet, "/events/"+id, "").Want(http.StatusOK) // of the same tenant
		server.Client(t, harness.OtherKey).Do(http.MethodGet, "/events/"+id, "").Want(http.StatusNotFound)
	})
	t.Run("Fields", func(t *testing.T) {
		t.Parallel()
		full := createKey(t, admin.In(t), "tenant_a", `{"name":"é 株","scopes":["inbox:write","events:write"],"expiresAt":"2099-12-31T23:59:59.5+01:00"}`).Details
		if full.Name != "é 株" || !slices.Equal(full.Scopes, []string{"inbox:write", "events:write"}) || full.ExpiresAt == nil ||
			!full.ExpiresAt.Equal(time.Date(2099, 12, 31, 22, 59, 59, 500_000_000, time.UTC)) {
			t.Errorf("%+v", full)
		}
		if null := createKey(t, admin.In(t), "tenant_a", `{"name":"x","expiresAt":null}`).Details; null.ExpiresAt != nil {
			t.Errorf("%+v", null)
		}
	})
	t.Run("ErrOneCharacter", func(t *testing.T) {
		t.Parallel()
		secret, client := createKey(t, admin.In(t), "tenant_a", `{"name":"x"}`).Key, server.Client(t, "")
		for i := range secret {
			other := "0"
			if secret[i] == '0' {
				other = "1"
			}
			changed := secret[:i] + other + secret[i+1:]
			client.Do(http.MethodGet, "/inbox", "", "X-API-Key", changed).WantError(http.StatusUnauthorized, "UNAUTHORIZED")
		}
		for _, changed := range []string{secret[:len(secret)-1], secret + "0", strings.ToLower(secret), strings.TrimPrefix(secret, "trg_")} {
			client.Do(http.MethodGet, "/inbox", "", "X-API-Key", changed).WantError(http.StatusUnauthorized, "UNAUTHORIZED")
		}
		unknown, _ := store.NewKey("tenant_a", "x", store.Scopes(), time.Time{})
		client.Do(http.MethodGet, "/inbox", "", "X-API-Key", unknown).WantError(http.StatusUnauthorized, "UNAUTHORIZED")
	})
	t.Run("ErrInvalid", func(t *testing.T) {
		t.Parallel()
		for body, field := range map[string]string{
			`{}`: "name", `{"name":""}`: "name", `{"name":"a\u007f"}`: "name", `{"name":"` + strings.Repeat("x", 101) + `"}`: "name",
			`{"name":"x","scopes":[]}`: "scopes", `{"name":"x","scopes":["events:read"]}`: "scopes.0", `{"name":"x","scopes":"events:write"}`: "scopes",
			`{"name":"x","scopes":["inbox:read","inbox:read"]}`: "scopes", `{"name":"x","scopes":null}`: "scopes",
			`{"name":"x","expiresAt":"2020-01-01T00:00:00Z"}`: "expiresAt", `{"name":"x","expiresAt":"tomorrow"}`: "expiresAt",
			`{"name":"x","tenantId":"tenant_b"}`: "tenantId", `{"name":"x","key":"trg_mine"}`: "key",
		} {
			refused := admin.In(t).Do(http.MethodPost, "/admin/tenants/tenant_b/keys", body).WantError(http.StatusBadRequest, "INVALID_REQUEST")
			if refused.Text("error.field") != field || strings.Contains(refused.Text("error.message"), "is not as the contract says") {
				t.Errorf("%s: %s", body, refused.Body)
			}
		}
		admin.In(t).Do(http.MethodPost, "/admin/tenants/tenant_b/keys", `{"name":"x","expiresAt":"2099-02-30T00:00:00Z"}`).WantError(http.StatusBadRequest, "INVALID_REQUEST")
		if keys := listKeys(t, admin.In(t), "tenant_b", "500"); len(keys) > 0 {
			t.Errorf("%+v", keys)
		}
	})
}

// The key itself is in one answer, and nowhere else: no list, no export, no log, no file.
func TestKeysShownOnce(t *testing.T) {
	t.Parallel()
	server, admin := administered(t, "DEBUG=true")
	createTenant(t, admin, `{"id":"acme"}`)
	created := createKey(t, admin, "acme", `{"name":"x"}`)
	client := server.Client(t, created.Key)
	client.Post(`{"payload":{}}`)
	client.Do(http.MethodGet, "/inbox?limit=x", "").Want(http.StatusBadRequest)
	var rotated newKey
	admin.Do(http.MethodPost, "/admin/tenants/acme/keys/"+created.Details.ID+"/rotate", "").Want(http.StatusCreated).Into(&rotated)
	shown := map[string]string{
		"list":   string(admin.Do(http.MethodGet, "/admin/tenants/acme/keys", "").Want(http.StatusOK).Body),
		"tenant": string(admin.Do(http.MethodGet, "/admin/tenants/acme", "").Want(http.StatusOK).Body),
		"export": export(t, server, "acme"),
		"revoke": string(admin.Do(http.MethodDelete, "/admin/tenants/acme/keys/"+created.Details.ID, "").Want(http.StatusOK).Body),
	}
	answers(t, client, http.StatusUnauthorized)
	server.Stop()
	shown["log"] = server.Log() + server.Stderr()
	for secret, file := range map[string]string{created.Key: "", rotated.Key: ""} {
		// The digits alone too, in case that somebody thinks of leaving the prefix out.
		digits := secret[len("trg_"):]
		for where, text := range shown {
			if strings.Contains(text, digits) {
				t.Errorf("the key is in the %s: %s", where, text)
			}
		}
		if err := filepath.WalkDir(server.Dir, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if bytes.Contains(content, []byte(digits)) {
				file = path
			}
			return err
		}); err != nil || file != "" {
			t.Errorf("the key is in the file %q (%v)", file, err)
		}
	}
}

func TestKeysList(t *testing.T) {
	t.Parallel()
	_, admin := administered(t)
	var want []string
	for n := range 5 {
		want = append(want, createKey(t, admin, "tenant_a", fmt.Sprintf(`{"name":"key %d"}`, n)).Details.ID)
	}
	createKey(t, admin, "tenant_b", `{"name":"x"}`)
	admin.Do(http.MethodDelete, "/admin/tenants/tenant_a/keys/"+want[2], "").Want(http.StatusOK)
	for _, limit := range []string{"1", "2", "5", "500"} {
		var got []string
		for n, k := range listKeys(t, admin, "tenant_a", limit) {
			got = append(got, k.ID)
			if status := map[bool]string{true: "expired", false: "active"}[n == 2]; k.Status != status || k.Name != fmt.Sprintf("key %d", n) {
				t.Errorf("%+v", k)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("in pages of %s: %v, want %v", limit, got, want)
		}
	}
	for _, cursor := range []string{"%00", "%FF", "x"} {
		if response := admin.Do(http.MethodGet, "/admin/tenants/tenant_a/keys?cursor="+cursor, ""); response.Status >= http.StatusInternalServerError {
			t.Errorf("%s: %d %s", cursor, response.Status, response.Body)
		}
	}
}

// Every operation of the contract needs the scope that the contract names, and no other.
func TestKeysScopes(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	clients := map[string]*harness.Client{} // by the scopes of their keys
	client := func(scopes ...string) *harness.Client {
		list, err := json.Marshal(scopes)
		if err != nil {
			t.Fatal(err)
		}
		if clients[string(list)] == nil {
			clients[string(list)] = server.Client(t, createKey(t, admin, "tenant_a", `{"name":"x","scopes":`+string(list)+`}`).Key)
		}
		return clients[string(list)]
	}
	for _, o := range operations(t, false) {
		if o.scope == "" {
			for _, scope := range allScopes() {
				if response := client(scope).Do(o.method, o.path, ""); response.Status >= http.StatusBadRequest {
					t.Errorf("%s needs no scope, and yet: %s", o.id, response.Body)
				}
			}
			continue
		}
		others := slices.DeleteFunc(allScopes(), func(scope string) bool { return scope == o.scope })
		if len(others) == len(allScopes()) {
			t.Errorf("%s needs the scope %q, which is none", o.id, o.scope)
		}
		refused := client(others...).Do(o.method, o.path, "").WantError(http.StatusForbidden, "INSUFFICIENT_SCOPE")
		if !strings.Contains(refused.Text("error.message"), o.scope) {
			t.Errorf("%s: the message does not name the scope: %s", o.id, refused.Body)
		}
		if response := client(o.scope).Do(o.method, o.path, ""); response.Status == http.StatusForbidden || response.Status == http.StatusUnauthorized {
			t.Errorf("%s: %s", o.id, response.Body)
		}
	}
	for _, o := range operations(t, false) {
		if o.scope == "" && o.id != "getUsage" {
			t.Errorf("%s needs no scope", o.id)
		}
	}
}

func TestKeysExpire(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	ends := time.Now().Add(5 * time.Second)
	created := createKey(t, admin, "tenant_a", `{"name":"x","expiresAt":"`+ends.Format(time.RFC3339Nano)+`"}`)
	client := server.Client(t, created.Key)
	harness.Eventually(t, 30*time.Second, "the key to expire", func() error {
		response := client.Do(http.MethodGet, "/inbox", "")
		switch now := time.Now(); {
		case response.Status == http.StatusUnauthorized && now.Before(ends.Truncate(time.Millisecond)):
			t.Fatalf("it expired %s too early", ends.Sub(now))
		case response.Status == http.StatusUnauthorized:
			return nil
		}
		return fmt.Errorf("%d", response.Status)
	})
	if keys := listKeys(t, admin, "tenant_a", "50"); len(keys) != 1 || keys[0].Status != "expired" {
		t.Errorf("%+v", keys)
	}
	admin.Do(http.MethodPost, "/admin/tenants/tenant_a/keys/"+created.Details.ID+"/rotate", "").WantError(http.StatusConflict, "KEY_EXPIRED")
}

func TestKeysLastUsed(t *testing.T) {
	t.Parallel()
	t.Run("NotedMeanwhile", func(t *testing.T) {
		t.Parallel()
		server, admin := administered(t)
		used, unused := createKey(t, admin, "tenant_a", `{"name":"used"}`), createKey(t, admin, "tenant_a", `{"name":"unused"}`)
		server.Client(t, used.Key).Post(`{"payload":{}}`)
		harness.Eventually(t, time.Minute, "the use to be noted", func() error {
			if keys := listKeys(t, admin, "tenant_a", "50"); keys[0].LastUsedAt == nil {
				return fmt.Errorf("%+v", keys)
			}
			return nil
		})
		keys := listKeys(t, admin, "tenant_a", "50")
		if at := *keys[0].LastUsedAt; at.Before(used.Details.CreatedAt) || at.After(time.Now()) {
			t.Errorf("used at %s, made at %s", at, used.Details.CreatedAt)
		}
		if keys[1].ID != unused.Details.ID || keys[1].LastUsedAt != nil {
			t.Errorf("%+v was not used", keys[1])
		}
	})
	t.Run("NotedAtEnd", func(t *testing.T) {
		t.Parallel()
		server, admin := administered(t)
		used := createKey(t, admin, "tenant_a", `{"name":"used"}`)
		for range 2 {
			before := store.Now()
			server.Client(t, used.Key).Do(http.MethodGet, "/inbox", "").Want(http.StatusOK)
			server.Stop()
			server, admin = administeredIn(t, server.Dir)
			if keys := listKeys(t, admin, "tenant_a", "50"); keys[0].LastUsedAt == nil || keys[0].LastUsedAt.Before(before) {
				t.Errorf("%+v, used after %s", keys, before)
			}
		}
	})
}

func TestKeysRevoke(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	revoked, kept := createKey(t, admin, "tenant_a", `{"name":"revoked"}`), createKey(t, admin, "tenant_a", `{"name":"kept"}`)
	client := server.Client(t, revoked.Key)
	client.Post(`{"payload":{}}`)
	path := "/admin/tenants/tenant_a/keys/" + revoked.Details.ID

	admin.Do(http.MethodDelete, "/admin/tenants/tenant_b/keys/"+revoked.Details.ID, "").WantError(http.StatusNotFound, "KEY_NOT_FOUND")
	first := admin.Do(http.MethodDelete, path, "").Want(http.StatusOK)
	if first.Text("status") != "expired" || first.Text("id") != revoked.Details.ID || first.Text("expiresAt") == "" {
		t.Errorf("%s", first.Body)
	}
	if again := admin.Do(http.MethodDelete, path, "").Want(http.StatusOK); again.Text("expiresAt") != first.Text("expiresAt") {
		t.Errorf("%s, and the first time %s", again.Body, first.Body)
	}
	answers(t, client, http.StatusUnauthorized)
	server.Client(t, kept.Key).Post(`{"payload":{}}`)
	admin.Do(http.MethodPost, path+"/rotate", "").WantError(http.StatusConflict, "KEY_EXPIRED")
}

func TestKeysRotate(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	rotate := func(t *testing.T, old newKey, query string) (rotated newKey) {
		t.Helper()
		admin.In(t).Do(http.MethodPost, "/admin/tenants/tenant_a/keys/"+old.Details.ID+"/rotate"+query, "").Want(http.StatusCreated).Into(&rotated)
		if rotated.Key == old.Key || !keyForm.MatchString(rotated.Key) || rotated.Details.ID == old.Details.ID ||
			rotated.Details.Name != old.Details.Name || !slices.Equal(rotated.Details.Scopes, old.Details.Scopes) {
			t.Errorf("%+v of %+v", rotated, old)
		}
		return rotated
	}
	ends := func(t *testing.T, id string) *time.Time {
		t.Helper()
		keys := listKeys(t, admin.In(t), "tenant_a", "500")
		return keys[slices.IndexFunc(keys, func(k key) bool { return k.ID == id })].ExpiresAt
	}
	t.Run("Overlap", func(t *testing.T) {
		t.Parallel()
		old := createKey(t, admin.In(t), "tenant_a", `{"name":"a","scopes":["inbox:read","events:write"]}`)
		rotated := rotate(t, old, "")
		for _, key := range []string{old.Key, rotated.Key} {
			server.Client(t, key).Post(`{"payload":{}}`)
		}
		if at := ends(t, old.Details.ID); at == nil || time.Until(*at)-24*time.Hour > 0 || time.Until(*at) < 23*time.Hour {
			t.Errorf("the old key ends at %v, want in a day", at)
		}
		if rotated.Details.ExpiresAt != nil {
			t.Errorf("%+v", rotated)
		}
	})
	t.Run("NoOverlap", func(t *testing.T) {
		t.Parallel()
		old := createKey(t, admin.In(t), "tenant_a", `{"name":"b"}`)
		client := server.Client(t, old.Key)
		client.Post(`{"payload":{}}`)
		rotated := rotate(t, old, "?overlapSeconds=0")
		answers(t, client, http.StatusUnauthorized)
		server.Client(t, rotated.Key).Post(`{"payload":{}}`)
	})
	// A key that ends does not become one for ever unnoticed, and one that was rotated does not pass on the end it got so.
	t.Run("WithEnd", func(t *testing.T) {
		t.Parallel()
		old := createKey(t, admin.In(t), "tenant_a", `{"name":"c","expiresAt":"`+time.Now().Add(time.Hour).Format(time.RFC3339)+`"}`)
		path := "/admin/tenants/tenant_a/keys/" + old.Details.ID + "/rotate"
		unsaid := admin.In(t).Do(http.MethodPost, path, "").WantError(http.StatusConflict, "EXPIRY_REQUIRED")
		past := admin.In(t).Do(http.MethodPost, path+"?expiresAt=2001-01-01T00:00:00Z", "").WantError(http.StatusBadRequest, "INVALID_REQUEST")
		if unsaid.Text("error.field") != "expiresAt" || past.Text("error.field") != "expiresAt" {
			t.Errorf("%s %s", unsaid.Body, past.Body)
		}
		end := time.Now().Add(48 * time.Hour).UTC().Truncate(time.Second)
		rotated := rotate(t, old, "?overlapSeconds=86400&expiresAt="+end.Format(time.RFC3339))
		if !rotated.Details.ExpiresAt.Equal(end) {
			t.Errorf("the new key ends at %s, want %s", rotated.Details.ExpiresAt, end)
		}
		if at := ends(t, old.Details.ID); !at.Equal(*old.Details.ExpiresAt) {
			t.Errorf("the overlap made the old key live from %s to %s", old.Details.ExpiresAt, at)
		}
	})
	t.Run("Err", func(t *testing.T) {
		t.Parallel()
		admin := admin.In(t)
		old := createKey(t, admin, "tenant_a", `{"name":"d"}`)
		path := "/keys/" + old.Details.ID + "/rotate"
		admin.Do(http.MethodPost, "/admin/tenants/tenant_b"+path, "").WantError(http.StatusNotFound, "KEY_NOT_FOUND")
		for _, seconds := range []string{"-1", "2592001", "x", ""} {
			refused := admin.Do(http.MethodPost, "/admin/tenants/tenant_a"+path+"?overlapSeconds="+seconds, "").WantError(http.StatusBadRequest, "INVALID_REQUEST")
			if refused.Text("error.field") != "overlapSeconds" {
				t.Errorf("%s", refused.Body)
			}
		}
		if keys := listKeys(t, admin, "tenant_b", "50"); len(keys) > 0 {
			t.Errorf("%+v", keys)
		}
	})
}

// Each key has a limit of its own, those of the store as well.
func TestKeysRateLimit(t *testing.T) {
	t.Parallel()
	server, admin := administered(t, "RATE_LIMIT_PER_MINUTE=2")
	first, second := createKey(t, admin, "tenant_a", `{"name":"x"}`).Key, createKey(t, admin, "tenant_a", `{"name":"y"}`).Key
	client := server.Client(t, first)
	harness.Eventually(t, seconds, "the limit to be used up", func() error {
		if response := client.Do(http.MethodGet, "/inbox", ""); response.Status != http.StatusTooManyRequests {
			return fmt.Errorf("%d", response.Status)
		}
		return nil
	})
	response := server.Client(t, second).Do(http.MethodGet, "/inbox", "").Want(http.StatusOK)
	if left := response.Header.Get("X-RateLimit-Remaining"); left != "1" {
		t.Errorf("another key has %s left", left)
	}
}
