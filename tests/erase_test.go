package tests

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// many is how many events take several steps to erase or to copy, with pauses between them, so that a test can do
// something meanwhile. The server that stands for DynamoDB is slow.
func many() int {
	if harness.Engine() == "dynamodb" {
		return 1500
	}
	return 5000
}

// erase has everything of a tenant erased, and returns when the moment is over up to which that goes.
func erase(t *testing.T, admin *harness.Client, tenantID string) (before time.Time) {
	t.Helper()
	begun := admin.Do(http.MethodDelete, "/admin/tenants/"+tenantID+"/data", "").Want(http.StatusAccepted)
	before, err := time.Parse(time.RFC3339, begun.Text("before"))
	if err != nil || begun.Text("status") != "running" || time.Since(before).Abs() > time.Minute {
		t.Fatalf("%v: %s", err, begun.Body)
	}
	harness.Eventually(t, seconds, "the moment to be over", func() error {
		if !time.Now().After(before) {
			return errors.New("not yet")
		}
		return nil
	})
	return before
}

// erased waits until a tenant's erasure is finished, and returns how many events it removed.
func erased(t *testing.T, admin *harness.Client, tenantID string) (events int) {
	t.Helper()
	harness.Eventually(t, 2*time.Minute, "the erasure to finish", func() error {
		found := getTenant(t, admin, tenantID)
		if found.Erasure == nil || found.Erasure.Status != "finished" {
			return fmt.Errorf("%+v", found.Erasure)
		}
		if at := found.Erasure.FinishedAt; at == nil || at.Before(found.Erasure.Before.Add(-time.Second)) {
			t.Errorf("%+v", found.Erasure)
		}
		events = found.Erasure.ErasedEvents
		return nil
	})
	return events
}

func everyStatus(client *harness.Client) (ids []string) {
	for _, status := range []string{"pending", "acknowledged", "deleted"} {
		ids = append(ids, harness.IDs(client.InboxAll("status", status, "limit", "500"))...)
	}
	return ids
}

func TestErase(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	client, other := server.Client(t, harness.Key), server.Client(t, harness.OtherKey)
	const keyed = `{"payload":{"a":1}}`
	pending := client.Post(keyed, "Idempotency-Key", "k")
	acknowledged, deleted := client.Post(`{"payload":{}}`), client.Post(`{"payload":{}}`, "Idempotency-Key", "of the deleted")
	client.Do(http.MethodPost, "/inbox/"+acknowledged+"/ack", "").Want(http.StatusOK)
	client.Do(http.MethodDelete, "/inbox/"+deleted, "").Want(http.StatusOK)
	others := other.Post(keyed, "Idempotency-Key", "k")
	secret := createKey(t, admin, "tenant_a", `{"name":"x"}`).Key

	erase(t, admin, "tenant_a")
	later := client.Post(`{"payload":{}}`)
	if events := erased(t, admin, "tenant_a"); events != 3 {
		t.Errorf("%d events were erased, want 3", events)
	}
	if ids := everyStatus(client); !slices.Equal(ids, []string{later}) {
		t.Errorf("%v are there, want %s alone", ids, later)
	}
	for _, id := range []string{pending, acknowledged, deleted} {
		client.Do(http.MethodGet, "/events/"+id, "").WantError(http.StatusNotFound, "EVENT_NOT_FOUND")
	}
	for key, id := range map[string]string{"k": pending, "of the deleted": deleted} {
		again := client.Do(http.MethodPost, "/events", `{"payload":{"b":2}}`, "Idempotency-Key", key).Want(http.StatusOK)
		if again.Header.Get("Idempotency-Replayed") != "" || again.Text("id") == id {
			t.Errorf("the key %q is still remembered: %s", key, again.Body)
		}
	}
	if got := other.Post(keyed, "Idempotency-Key", "k"); got != others {
		t.Errorf("another tenant's key was forgotten")
	}
	if ids := everyStatus(other); !slices.Equal(ids, []string{others}) {
		t.Errorf("another tenant has %v", ids)
	}
	server.Client(t, secret).Post(`{"payload":{}}`) // the tenant and its keys stay

	t.Run("NothingThere", func(t *testing.T) {
		t.Parallel()
		admin := admin.In(t)
		createTenant(t, admin, `{"id":"empty"}`)
		if found := getTenant(t, admin, "empty"); found.Erasure != nil {
			t.Errorf("%+v", found.Erasure)
		}
		erase(t, admin, "empty")
		if events := erased(t, admin, "empty"); events != 0 {
			t.Errorf("%d events were erased", events)
		}
	})
	t.Run("Again", func(t *testing.T) {
		t.Parallel()
		admin := admin.In(t)
		left := len(everyStatus(client.In(t)))
		erase(t, admin, "tenant_a")
		if events := erased(t, admin, "tenant_a"); events != left {
			t.Errorf("%d events were erased the second time, want %d", events, left)
		}
	})
}

// A second request while the first one goes on takes in what came meanwhile.
func TestEraseExtended(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	client := server.Client(t, harness.Key)
	send(t, client, many())
	first := erase(t, admin, "tenant_a")
	client.Post(`{"payload":{}}`)
	if second := erase(t, admin, "tenant_a"); !second.After(first) {
		t.Errorf("%s, and the first time %s", second, first)
	}
	later := client.Post(`{"payload":{}}`)
	erased(t, admin, "tenant_a")
	if ids := everyStatus(client); !slices.Equal(ids, []string{later}) {
		t.Errorf("%v are there, want %s alone", ids, later)
	}
}

// A server that is killed in the middle goes on where it was when it is started again.
func TestEraseKilled(t *testing.T) {
	t.Parallel()
	server, admin := administered(t)
	client := server.Client(t, harness.Key)
	send(t, client, many())
	others := server.Client(t, harness.OtherKey).Post(`{"payload":{}}`)
	admin.Do(http.MethodDelete, "/admin/tenants/tenant_a/data", "").Want(http.StatusAccepted)
	server.Kill()

	server, admin = administeredIn(t, server.Dir)
	erased(t, admin, "tenant_a")
	if ids := everyStatus(server.Client(t, harness.Key)); len(ids) > 0 {
		t.Errorf("%d events are left", len(ids))
	}
	if ids := everyStatus(server.Client(t, harness.OtherKey)); !slices.Equal(ids, []string{others}) {
		t.Errorf("another tenant has %v", ids)
	}
}
