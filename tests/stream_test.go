package tests

import (
	"fmt"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

// stream is a load of events with idempotency keys that goes on through outages. It remembers what it was promised.
type stream struct {
	t      *testing.T
	seen   atomic.Int64 // answers with 200
	denied atomic.Int64 // answers with 503
	stop   chan struct{}
	group  sync.WaitGroup

	mu       sync.Mutex
	accepted map[string]string // id by name; the name is the event's type and its key
	unsure   map[string]bool   // names that got no answer, or 503
}

// startStream has so many clients for each server send events until finish is called.
func startStream(t *testing.T, clients int, servers ...*harness.Client) *stream {
	t.Helper()
	s := &stream{t: t, stop: make(chan struct{}), accepted: map[string]string{}, unsure: map[string]bool{}}
	for i, client := range servers {
		for j := range clients {
			s.group.Go(func() {
				for n := 0; ; n++ {
					select {
					case <-s.stop:
						return
					default:
					}
					if !s.send(client, fmt.Sprintf("event-%d-%d-%d", i, j, n)) {
						return
					}
				}
			})
		}
	}
	return s
}

// send sends an event, for the first time or again. It answers false when the server is gone.
func (s *stream) send(client *harness.Client, name string) bool {
	response, err := client.Try(http.MethodPost, "/events", `{"type":"`+name+`","payload":{"n": 1.0}}`, "Idempotency-Key", name)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err != nil:
		s.unsure[name] = true
		return false
	case response.Status == http.StatusOK:
		id := response.Text("id")
		if earlier, ok := s.accepted[name]; ok && earlier != id {
			s.t.Errorf("%s is %s, and was %s", name, id, earlier)
		}
		s.accepted[name] = id
		delete(s.unsure, name)
		s.seen.Add(1)
	case response.Status == http.StatusServiceUnavailable:
		if response.Header.Get("Retry-After") == "" {
			s.t.Error("503 without Retry-After")
		}
		s.unsure[name] = true
		s.denied.Add(1)
	default:
		s.t.Errorf("status %d: %s", response.Status, response.Body)
	}
	return true
}

// more waits until so many further events were accepted.
func (s *stream) more(n int64) {
	s.t.Helper()
	want := s.seen.Load() + n
	harness.Eventually(s.t, 60*time.Second, "events to be accepted", func() error {
		if got := s.seen.Load(); got < want {
			return fmt.Errorf("%d of %d", got, want)
		}
		return nil
	})
}

// refused waits until an event is refused with 503.
func (s *stream) refused() {
	s.t.Helper()
	before := s.denied.Load()
	harness.Eventually(s.t, 60*time.Second, "an event to be refused", func() error {
		if s.denied.Load() == before {
			return fmt.Errorf("%d so far", before)
		}
		return nil
	})
}

// finish ends the load, sends what got no answer again, and looks for everything that was promised, exactly once.
func (s *stream) finish(client *harness.Client) {
	s.t.Helper()
	close(s.stop)
	s.group.Wait()
	s.mu.Lock()
	unsure := maps.Clone(s.unsure)
	s.mu.Unlock()
	for name := range unsure {
		s.send(client, name)
	}
	if len(s.unsure) > 0 {
		s.t.Errorf("%d events cannot be sent after all is well again", len(s.unsure))
	}
	found := map[string]string{}
	for _, e := range client.InboxAll("limit", "500") {
		if _, twice := found[e.Type]; twice {
			s.t.Errorf("%s is there twice", e.Type)
		}
		found[e.Type] = e.ID
	}
	for name, id := range s.accepted {
		if found[name] != id {
			s.t.Errorf("%s (%s) is lost: found %q", name, id, found[name])
		}
		delete(found, name)
	}
	for name, id := range found {
		s.t.Errorf("%s (%s) is there and was never answered", name, id)
	}
	s.t.Logf("%d events accepted, %d refused, %d sent again", len(s.accepted), s.denied.Load(), len(unsure))
}
