package main

import (
	"maps"
	"net/netip"
	"strings"
	"testing"
)

func TestParseKeys(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]map[string]string{
		"":                         {},
		"k=t":                      {"k": "t"},
		" k = t , l=u ,":           {"k": "t", "l": "u"},
		"k=t,l=t":                  {"k": "t", "l": "t"},
		"k=t,k=t":                  {"k": "t"},
		"YWJj==t,c2VjcmV0MQ===u":   {"YWJj=": "t", "c2VjcmV0MQ==": "u"},
		"k":                        nil,
		"=t":                       nil,
		"k=":                       nil,
		"k=t,k=u":                  nil,
		"two words=t":              nil,
		"ké=t":                     nil,
		"good=t,s3cret-of-someone": nil,
	} {
		got, err := parseKeys(text)
		if (err == nil) != (want != nil) || (err == nil && !maps.Equal(got, want)) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "s3cret") {
			t.Errorf("the message repeats a key: %v", err)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add("k=t,l=u")
	f.Add("YWJj==t")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parseKeys(text)
		if err != nil {
			return
		}
		for key, tenant := range keys {
			if key == "" || tenant == "" || strings.ContainsFunc(key, notVisible) || strings.Contains(key, ",") {
				t.Errorf("%q gave %q=%q", text, key, tenant)
			}
		}
	})
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	for text, ok := range map[string]bool{
		"*": true, "http://localhost:3000": true, "https://app.example.com": true,
		"app.example.com": false, "https://app.example.com/": false, "https://app.example.com/x": false, "ftp://x": false,
		"https://": false, "https://user@x": false, "https://*.example.com": false,
	} {
		if err := origin(text); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestBaseURL(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"127.0.0.1:8000": "http://127.0.0.1:8000", "0.0.0.0:80": "http://localhost:80", "[::]:80": "http://localhost:80", "[::1]:80": "http://[::1]:80",
	} {
		if got := baseURL(netip.MustParseAddrPort(address)); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}
