package postgres

import (
	"testing"
	"time"
)

// LockAppending takes the lock that orders appends.
const LockAppending = lockAppending

// Freeze begins a group as a writer does and never goes on with it.
func Freeze(t *testing.T, url string) {
	t.Helper()
	config, err := parseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSession(t.Context(), &config.ConnConfig.Config, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	if _, err := s.begin(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}
