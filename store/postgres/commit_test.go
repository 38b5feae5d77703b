package postgres_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/triggers-api/triggers/store"
)

// relayed relays to the server of a URL and returns its own URL. While spoiling is set, answers to COMMIT are spoilt, which
// tells whether the connection goes on.
func relayed(t *testing.T, target string, spoiling *atomic.Bool, spoil func(answer []byte) (goOn bool)) string {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	server := u.Host
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u.Host = listener.Addr().String()
	var relays sync.WaitGroup
	relay := func(client net.Conn) {
		defer client.Close()
		upstream, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer upstream.Close()
		relays.Go(func() {
			_, _ = io.Copy(upstream, client)
			_ = upstream.Close()
		})
		buf := make([]byte, 1<<16)
		for {
			n, err := upstream.Read(buf)
			if spoiling.Load() && bytes.Contains(buf[:n], []byte("COMMIT\x00")) && !spoil(buf[:n]) {
				return
			}
			if _, writeErr := client.Write(buf[:n]); err != nil || writeErr != nil {
				return
			}
		}
	}
	relays.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			relays.Go(func() { relay(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		relays.Wait()
	})
	return u.String()
}

// A group whose commit was not answered, or in a way that nobody understands, may have been stored, so it is not stored
// again.
func TestCommitUnanswered(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(answer []byte) bool{
		"Cut": func([]byte) bool { return false },
		"Garbled": func(answer []byte) bool {
			answer[0] = 1 // no message begins so
			return true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct := database(t)
			var spoiling atomic.Bool
			s := open(t, relayed(t, direct, &spoiling, spoil))
			appended(t, s, "a")
			spoiling.Store(true)
			release := hold(t, direct)
			errs := make([]error, 20)
			var callers sync.WaitGroup
			for i := range errs {
				callers.Go(func() { _, errs[i] = s.Append(t.Context(), "a", []store.NewEvent{plain()}) })
				if i == 0 {
					waiting(t, direct, 1) // it is a group by itself; the others gather behind it
				}
			}
			release()
			callers.Wait()
			for _, err := range errs {
				if !errors.Is(err, store.ErrUnavailable) {
					t.Error(err)
				}
			}
			spoiling.Store(false)
			appended(t, s, "a")
			if stored := count(t, s, "a", func(store.EventID) {}); stored != len(errs)+2 {
				t.Errorf("%d events are stored of %d", stored, len(errs)+2)
			}
		})
	}
}
