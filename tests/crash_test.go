package tests

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look into the file that a killed server leaves behind

	"github.com/triggers-api/triggers/tests/harness"
)

// What was answered with 2xx survives SIGKILL at any moment, and nothing is there twice.
func TestNothingLostWhenKilled(t *testing.T) {
	t.Parallel()
	crash(t, plan{kills: 20, least: 1, most: 120, padding: 3000})
}

// The same around the time when the server folds its log into the database, which it does every 16 MiB.
func TestNothingLostWhenKilledInCheckpoint(t *testing.T) {
	t.Parallel()
	crash(t, plan{kills: 2, least: 80, most: 120, padding: 500_000})
}

// plan says how many times a server is killed, after how many answers each time, and how large payloads are at most.
type plan struct{ kills, least, most, padding int }

// crash kills a server again and again on the same directory, and looks each time for what it had promised.
func crash(t *testing.T, p plan) {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	loads := make([]*load, 8)
	for i := range loads {
		loads[i] = &load{name: fmt.Sprintf("load-%d", i), random: rand.New(rand.NewPCG(seed, uint64(i)+1)), padding: p.padding}
	}
	dir := t.TempDir()
	for range p.kills {
		server := harness.Start(t, harness.Options{Dir: dir})
		check(t, server, loads)
		left := atomic.Int64{}
		left.Store(int64(p.least + random.IntN(p.most-p.least)))
		under(t, server, loads, func() {
			if left.Add(-1) == 0 {
				server.Kill()
			}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
	sound(t, filepath.Join(dir, "data", "events.db"))
	server := harness.Start(t, harness.Options{Dir: dir})
	check(t, server, loads)
	server.Stop()
	sound(t, server.Database())
}

// under puts a server under load until it is gone. answered is called after each answer.
func under(t *testing.T, server *harness.Server, loads []*load, answered func()) {
	t.Helper()
	client := server.Client(t, harness.Key)
	defer client.CloseIdle()
	var group sync.WaitGroup
	for _, l := range loads {
		group.Go(func() {
			for l.step(t, client) {
				answered()
			}
		})
	}
	group.Wait()
}

// check looks for everything that the server promised, and for anything that nobody sent.
func check(t *testing.T, server *harness.Server, loads []*load) {
	t.Helper()
	client := server.Client(t, harness.Key)
	defer client.CloseIdle()
	found := map[string]harness.Event{}
	for _, status := range []string{"pending", "acknowledged", "deleted"} {
		events := client.InboxAll("status", status, "limit", "500")
		if !slices.IsSortedFunc(events, func(a, b harness.Event) int { return strings.Compare(a.ID, b.ID) }) {
			t.Errorf("%s: the ids do not ascend", status)
		}
		for _, e := range events {
			if earlier, twice := found[e.Type]; twice {
				t.Errorf("%s is there twice: %s and %s", e.Type, earlier.ID, e.ID)
			}
			found[e.Type] = e
		}
	}
	for _, l := range loads {
		l.settle(t, found)
	}
	for name, e := range found {
		t.Errorf("%s (%s) is there, but was never sent", name, e.ID)
	}
}

// sound fails the test if SQLite's file is damaged.
func sound(t *testing.T, path string) {
	t.Helper()
	if harness.Engine() != "sqlite" {
		return
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var finding string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&finding); err != nil || finding != "ok" {
		t.Errorf("integrity check: %s %v", finding, err)
	}
}

// load is one client that sends a mix of requests and remembers what it was promised.
type load struct {
	name    string
	random  *rand.Rand
	padding int

	count    int
	stored   []*sent
	keyed    []*sending // that were stored and can be repeated
	unsure   []*sending // that got no answer
	repeated []*sending // to be sent before anything else, because they got no answer before the last crash
}

// sent is an event. Its name is its type, which no other event has.
type sent struct {
	name, key, payload string
	id                 string   // empty while it is not stored, as far as is known
	status             []string // that it may have: more than one if a change got no answer
}

// sending is a request to store events: one by itself, or a batch.
type sending struct {
	events       []*sent
	batch, keyed bool
}

// step sends one request. It returns false when the server is gone.
func (l *load) step(t *testing.T, client *harness.Client) bool {
	t.Helper()
	if len(l.repeated) > 0 {
		s := l.repeated[0]
		l.repeated = l.repeated[1:]
		return l.send(t, client, s)
	}
	switch n := l.random.IntN(10); {
	case n < 2 && len(l.keyed) > 0:
		return l.send(t, client, l.keyed[l.random.IntN(len(l.keyed))])
	case n < 4 && len(l.stored) > 0:
		return l.acknowledge(t, client, l.stored[l.random.IntN(len(l.stored))])
	case n < 5 && len(l.stored) > 0:
		return l.delete(t, client, l.stored[l.random.IntN(len(l.stored))])
	case n < 6:
		return l.send(t, client, l.compose(2+l.random.IntN(9)))
	default:
		return l.send(t, client, l.compose(1))
	}
}

// compose makes a request for so many events. The payloads have what a decoder and encoder would change.
func (l *load) compose(events int) *sending {
	s := &sending{batch: events > 1, keyed: l.random.IntN(2) == 0}
	for range events {
		l.count++
		e := &sent{name: fmt.Sprintf("%s-%d", l.name, l.count)}
		if s.keyed {
			e.key = "key-of-" + e.name
		}
		padding := strings.Repeat("x", l.random.IntN(l.padding/events))
		e.payload = fmt.Sprintf(`{"n": %d.10, "big":12345678901234567890,"text":"\u00e9\/é" ,"b":1e2,"a":[ ],"x":"%s"}`, l.count, padding)
		s.events = append(s.events, e)
	}
	return s
}

// send sends a request, for the first time or again.
func (l *load) send(t *testing.T, client *harness.Client, s *sending) bool {
	t.Helper()
	bodies := make([]string, len(s.events))
	for i, e := range s.events {
		bodies[i] = fmt.Sprintf(`{"type":"%s","payload":%s}`, e.name, e.payload)
		if s.batch && s.keyed {
			bodies[i] = fmt.Sprintf(`{"idempotencyKey":"%s",%s`, e.key, bodies[i][1:])
		}
	}
	var response *harness.Response
	var err error
	if s.batch {
		response, err = client.Try(http.MethodPost, "/events/batch", `{"events":[`+strings.Join(bodies, ",")+`]}`)
	} else {
		response, err = client.Try(http.MethodPost, "/events", bodies[0], "Idempotency-Key", s.events[0].key)
	}
	if err != nil {
		l.unsure = append(l.unsure, s)
		return false
	}
	if response.Status != http.StatusOK {
		t.Errorf("status %d: %s", response.Status, response.Body)
		return true
	}
	l.receive(t, s, response)
	return true
}

// receive takes in the ids of events. Those of a request that is repeated have to be as before.
func (l *load) receive(t *testing.T, s *sending, response *harness.Response) {
	t.Helper()
	again := s.events[0].id != ""
	for i, e := range s.events {
		id, duplicate := response.Text("id"), response.Header.Get("Idempotency-Replayed") == "true"
		if s.batch {
			result := fmt.Sprintf("results.%d.", i)
			id, duplicate = response.Text(result+"id"), response.Text(result+"status") == "duplicate"
		}
		if duplicate != again || (again && id != e.id) {
			t.Errorf("%s, sent again: %t, was %q: %s", e.name, again, e.id, response.Body)
		}
		e.id = id
	}
	if !again {
		l.keep(s)
	}
}

func (l *load) keep(s *sending) {
	for _, e := range s.events {
		e.status = []string{"pending"}
	}
	l.stored = append(l.stored, s.events...)
	if s.keyed {
		l.keyed = append(l.keyed, s)
	}
}

func (l *load) acknowledge(t *testing.T, client *harness.Client, e *sent) bool {
	t.Helper()
	response, err := client.Try(http.MethodPost, "/inbox/"+e.id+"/ack", "")
	deleted := e.status[0] == "deleted"
	switch {
	case err != nil:
		if !deleted {
			e.status = append(e.status, "acknowledged")
		}
		return false
	case deleted && response.Status == http.StatusConflict:
	case !deleted && response.Status == http.StatusOK:
		e.status = []string{"acknowledged"}
	default:
		t.Errorf("acknowledge %s, %s: %s", e.name, e.status, response.Body)
	}
	return true
}

func (l *load) delete(t *testing.T, client *harness.Client, e *sent) bool {
	t.Helper()
	response, err := client.Try(http.MethodDelete, "/inbox/"+e.id, "")
	if err != nil {
		e.status = append(e.status, "deleted")
		return false
	}
	if response.Status != http.StatusOK {
		t.Errorf("delete %s, %s: %s", e.name, e.status, response.Body)
	}
	e.status = []string{"deleted"}
	return true
}

// settle compares what was promised with what was found, and takes what it accounts for out of found. After it,
// nothing is unsure.
func (l *load) settle(t *testing.T, found map[string]harness.Event) {
	t.Helper()
	for _, s := range l.unsure {
		if s.keyed {
			l.repeated = append(l.repeated, s)
		}
		if s.events[0].id != "" {
			continue // it was sent again, and had been answered before
		}
		n := 0
		for _, e := range s.events {
			if f, ok := found[e.name]; ok {
				e.id = f.ID
				n++
			}
		}
		switch n {
		case 0:
		case len(s.events):
			l.keep(s)
		default:
			t.Errorf("of a batch of %d, %d are there: %s…", len(s.events), n, s.events[0].name)
		}
	}
	l.unsure = nil
	for _, e := range l.stored {
		f, ok := found[e.name]
		delete(found, e.name)
		want := e.payload
		if f.Status == "deleted" {
			want = "{}"
		}
		switch {
		case !ok:
			t.Errorf("%s (%s) is lost", e.name, e.id)
		case f.ID != e.id || string(f.Payload) != want || !slices.Contains(e.status, f.Status):
			t.Errorf("%s is %s (%s) %s, want %s %v %s", e.name, f.ID, f.Status, f.Payload, e.id, e.status, want)
		default:
			e.status = []string{f.Status}
		}
	}
}
