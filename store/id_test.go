package store_test

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/store"
)

func TestIDSource(t *testing.T) {
	t.Parallel()
	t.Run("Ascending", func(t *testing.T) {
		t.Parallel()
		source := store.NewIDSource(store.EventID{})
		last := source.Next()
		for range 10_000 {
			next := source.Next()
			if next.Compare(last) <= 0 || next.String() <= last.String() {
				t.Fatalf("%s after %s", next, last)
			}
			last = next
		}
		if age := time.Since(last.Time()); age < -time.Second || age > time.Minute {
			t.Errorf("the id of now has the time %s", last.Time())
		}
	})
	// The clock may step back, or the newest stored event come from a clock that was ahead.
	t.Run("ClockBehind", func(t *testing.T) {
		t.Parallel()
		ahead := store.FirstEventID(time.Now().Add(time.Hour))
		source := store.NewIDSource(ahead)
		last := ahead
		for range 20_000 { // more than the fractions of a millisecond
			next := source.Next()
			if next.Compare(last) <= 0 {
				t.Fatalf("%s after %s", next, last)
			}
			if version := next[6] >> 4; version != 7 {
				t.Fatalf("version %d", version)
			}
			last = next
		}
		if drift := last.Time().Sub(ahead.Time()); drift > time.Second {
			t.Errorf("20 000 ids moved the time by %s", drift)
		}
	})
	t.Run("SkipTo", func(t *testing.T) {
		t.Parallel()
		source := store.NewIDSource(store.EventID{})
		ahead := store.FirstEventID(time.Now().Add(time.Hour))
		source.SkipTo(ahead)
		next := source.Next()
		if next.Compare(ahead) <= 0 || !next.Time().Equal(ahead.Time()) {
			t.Errorf("%s at %s after %s at %s", next, next.Time(), ahead, ahead.Time())
		}
		source.SkipTo(store.FirstEventID(time.Now()))
		if again := source.Next(); again.Compare(next) <= 0 {
			t.Errorf("%s after %s: it went back", again, next)
		}
	})
}

func TestEventID(t *testing.T) {
	t.Parallel()
	id := store.NewIDSource(store.EventID{}).Next()
	text := id.String()
	if again, err := store.ParseEventID(text); err != nil || again != id {
		t.Errorf("%s came back as %s: %v", text, again, err)
	}
	for _, malformed := range []string{
		"", "evt_", text[4:], "sub" + text[3:], strings.ToLower(text), text + "0", text[:29], " " + text,
		"evt_8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "evt_0000000000000000000000000I", "evt_0000000000000000000000000U",
	} {
		if _, err := store.ParseEventID(malformed); !errors.Is(err, store.ErrMalformedID) {
			t.Errorf("%q: %v", malformed, err)
		}
	}
	if a, b := store.NewID("req_"), store.NewID("req_"); a == b || !strings.HasPrefix(a, "req_") || len(a) != 30 {
		t.Errorf("%s %s", a, b)
	}
}

func TestFirstEventID(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 11, 11, 10, 0, 0, 123_000_000, time.UTC)
	for _, c := range []struct{ at, want time.Time }{
		{at, at},
		{at.Add(time.Nanosecond), at.Add(time.Millisecond)},
		{at.Add(-time.Nanosecond), at},
		{time.Time{}, time.Unix(0, 0)},
		{time.Unix(-1, 0), time.Unix(0, 0)},
		{time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC), time.UnixMilli(1<<48 - 1)},
	} {
		id := store.FirstEventID(c.at)
		if !id.Time().Equal(c.want) || binary.BigEndian.Uint64(id[8:]) != 0 || id[6]|id[7] != 0 {
			t.Errorf("%s: %s %x", c.at, id.Time(), id)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	seen := map[[32]byte]store.NewEvent{}
	for _, e := range []store.NewEvent{
		{},
		{Source: "ab", Type: "c"},
		{Source: "a", Type: "bc"},
		{Source: "abc"},
		{Type: "abc"},
		{Topic: "abc"},
		{Payload: []byte("abc")},
		{Topic: "a", Payload: []byte("bc")},
	} {
		if other, ok := seen[e.Fingerprint()]; ok {
			t.Errorf("%+v and %+v look the same", e, other)
		}
		seen[e.Fingerprint()] = e
	}
	a, b := store.NewEvent{IdempotencyKey: "a"}, store.NewEvent{IdempotencyKey: "b"}
	if a.Fingerprint() != b.Fingerprint() {
		t.Error("the key is part of the fingerprint")
	}
}

func FuzzParseEventID(f *testing.F) {
	f.Add("evt_01K9S5Q980EZGSYJVD17502ECG")
	f.Add("evt_7ZZZZZZZZZZZZZZZZZZZZZZZZZ")
	f.Add("evt_01k9s5q980ezgsyjvd17502ecg")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := store.ParseEventID(s); err == nil && id.String() != s {
			t.Errorf("%q came back as %q", s, id)
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	f.Add("2025-11-11T10:00:00.000Z|evt_01K9S5Q980EZGSYJVD17502ECG")
	f.Add("2025-11-11T12:00:00+02:00|evt_01K9S5Q980EZGSYJVD17502ECG")
	f.Add("|")
	f.Fuzz(func(t *testing.T, s string) {
		cursor, err := store.ParseCursor(s)
		if err != nil {
			if !errors.Is(err, store.ErrMalformedCursor) {
				t.Errorf("%q: %v", s, err)
			}
			return
		}
		if again, err := store.ParseCursor(cursor.String()); err != nil || again != cursor {
			t.Errorf("%q came back as %q: %v", s, cursor, err)
		}
	})
}
