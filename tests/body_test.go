package tests

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/triggers-api/triggers/tests/harness"
)

func gzipped(t *testing.T, body string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestContentType(t *testing.T) {
	t.Parallel()
	client := harness.Start(t, harness.Options{}).Client(t, harness.Key)
	const body = `{"payload":{}}`
	for _, accepted := range []string{"application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"} {
		client.Do(http.MethodPost, "/events", body, "Content-Type", "", "Content-Type", accepted).Want(http.StatusOK)
	}
	for _, refused := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin1", "application/jsonp", "json", ";"} {
		for _, path := range []string{"/events", "/events/batch", "/inbox/ack"} {
			response := client.Do(http.MethodPost, path, body, "Content-Type", "", "Content-Type", refused).
				WantError(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
			if response.Text("error.field") != "Content-Type" {
				t.Errorf("%s", response.Body)
			}
		}
	}
}

func TestContentEncoding(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	client := harness.Start(t, harness.Options{Env: []string{"MAX_PAYLOAD_BYTES=10000"}}).Client(t, harness.Key)
	post := func(body, encoding string) *harness.Response {
		return client.Do(http.MethodPost, "/events", body, "Content-Encoding", encoding)
	}
	t.Run("OK", func(t *testing.T) {
		post(gzipped(t, padded(limit)), "gzip").Want(http.StatusOK)
		post(gzipped(t, `{"payload":{}}`), "GZIP").Want(http.StatusOK)
		post(`{"payload":{}}`, "identity").Want(http.StatusOK)
		id := post(gzipped(t, `{"payload":{"z": 1}}`), "gzip").Want(http.StatusOK).Text("id")
		if got := client.Do(http.MethodGet, "/events/"+id, ""); !strings.Contains(string(got.Body), `{"z": 1}`) {
			t.Errorf("%s", got.Body)
		}
	})
	t.Run("ErrTooLargeInflated", func(t *testing.T) {
		post(gzipped(t, padded(limit+1)), "gzip").WantError(http.StatusBadRequest, "PAYLOAD_TOO_LARGE")
		post(gzipped(t, padded(50_000_000)), "gzip").WantError(http.StatusBadRequest, "PAYLOAD_TOO_LARGE")
	})
	t.Run("ErrEndless", func(t *testing.T) {
		// A gzip file may consist of many members that each hold nothing.
		post(strings.Repeat(gzipped(t, ""), 10_000), "gzip").WantError(http.StatusBadRequest, "PAYLOAD_TOO_LARGE")
	})
	t.Run("ErrNotGzip", func(t *testing.T) {
		whole := gzipped(t, `{"payload":{}}`)
		post(`{"payload":{}}`, "gzip").WantError(http.StatusBadRequest, "INVALID_REQUEST")
		post(whole[:len(whole)-4], "gzip").WantError(http.StatusBadRequest, "INVALID_REQUEST")
		post(whole[:len(whole)-8]+"\x00\x00\x00\x00"+whole[len(whole)-4:], "gzip").WantError(http.StatusBadRequest, "INVALID_REQUEST")
		post(whole+"trailing", "gzip").WantError(http.StatusBadRequest, "INVALID_REQUEST")
	})
	t.Run("ErrUnknown", func(t *testing.T) {
		for _, encoding := range []string{"br", "deflate", "gzip, gzip", "zstd"} {
			response := post(`{"payload":{}}`, encoding).WantError(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE")
			if response.Text("error.field") != "Content-Encoding" {
				t.Errorf("%s", response.Body)
			}
		}
	})
}

func TestSizeLimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env   []string
		limit int
	}{
		"Default": {nil, 512 << 10},
		"Most":    {[]string{"MAX_PAYLOAD_BYTES=1048576"}, 1 << 20},
		"Small":   {[]string{"MAX_PAYLOAD_BYTES=100"}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := harness.Start(t, harness.Options{Env: c.env}).Client(t, harness.Key)
			id := client.Post(padded(c.limit))
			client.Do(http.MethodPost, "/events", padded(c.limit+1)).WantError(http.StatusBadRequest, "PAYLOAD_TOO_LARGE")
			// The same without a Content-Length.
			client.Chunked("/events", padded(c.limit)).Want(http.StatusOK)
			client.Chunked("/events", padded(c.limit+1)).WantError(http.StatusBadRequest, "PAYLOAD_TOO_LARGE")
			// However small events may be, acknowledging them is not limited by it.
			client.Do(http.MethodPost, "/inbox/ack", `{"ids":[`+repeat(`"`+id+`"`, 500)+`]}`).Want(http.StatusOK)
		})
	}
}

// A body that is too large by its own announcement is refused before it is sent.
func TestSizeLimitUnread(t *testing.T) {
	t.Parallel()
	server := harness.Start(t, harness.Options{})
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST /events HTTP/1.1\r\nHost: x\r\nX-API-Key: "+harness.Key+
		"\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn) // the server closes the connection rather than read a gigabyte
	if err != nil || !strings.Contains(string(answer), "PAYLOAD_TOO_LARGE") {
		t.Errorf("%v: %s", err, answer)
	}
}
