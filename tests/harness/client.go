package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// Client talks to a server and checks every answer against the contract.
type Client struct {
	t    *testing.T
	base string
	http *http.Client
	key  string
}

// Client returns a client with the given API key; empty for none.
func (s *Server) Client(t *testing.T, key string) *Client {
	t.Helper()
	return &Client{t: t, base: s.URL, key: key, http: &http.Client{
		Timeout:       60 * time.Second,
		Transport:     checking{t: t, next: &http.Transport{MaxIdleConnsPerHost: 100}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// In returns the same client for a subtest, which its failures then concern.
func (c *Client) In(t *testing.T) *Client {
	t.Helper()
	in := *c
	in.t = t
	return &in
}

// Response is an answer with its body read.
type Response struct {
	t      *testing.T
	Status int
	Header http.Header
	Body   []byte
}

// Do sends a request. Headers are name, value pairs; an empty value removes the header. A body makes the request JSON.
func (c *Client) Do(method, path, body string, headers ...string) *Response {
	c.t.Helper()
	response, err := c.Try(method, path, body, headers...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return response
}

// Try is Do for when the server may not be there.
func (c *Client) Try(method, path, body string, headers ...string) (*Response, error) {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	request, err := http.NewRequest(method, c.base+path, reader)
	if err != nil {
		return nil, err
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			request.Header.Del(headers[i])
		} else {
			request.Header.Add(headers[i], headers[i+1])
		}
	}
	return c.Send(request)
}

// Send sends a request that the caller put together.
func (c *Client) Send(request *http.Request) (*Response, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	return &Response{t: c.t, Status: response.StatusCode, Header: response.Header, Body: content}, nil
}

// CloseIdle gives up kept connections.
func (c *Client) CloseIdle() { c.http.CloseIdleConnections() }

// Post sends an event that must be accepted, and returns its id.
func (c *Client) Post(body string, headers ...string) string {
	c.t.Helper()
	return c.Do(http.MethodPost, "/events", body, headers...).Want(http.StatusOK).Text("id")
}

// Page is one page of the inbox.
type Page struct {
	Events     []Event `json:"events"`
	NextCursor *string `json:"nextCursor"`
}

// Event is an event as the API shows it.
type Event struct {
	ID             string          `json:"id"`
	CreatedAt      time.Time       `json:"createdAt"`
	Source         string          `json:"source"`
	Type           string          `json:"type"`
	Topic          string          `json:"topic"`
	Payload        json.RawMessage `json:"payload"`
	Status         string          `json:"status"`
	Delivered      bool            `json:"delivered"`
	IdempotencyKey string          `json:"idempotencyKey"`
	AcknowledgedAt *time.Time      `json:"acknowledgedAt"`
	DeletedAt      *time.Time      `json:"deletedAt"`
}

// Inbox returns one page. Parameters are name, value pairs.
func (c *Client) Inbox(params ...string) Page {
	c.t.Helper()
	query := url.Values{}
	for i := 0; i+1 < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	var page Page
	c.Do(http.MethodGet, "/inbox?"+query.Encode(), "").Want(http.StatusOK).Into(&page)
	return page
}

// InboxAll follows the cursor to the last page.
func (c *Client) InboxAll(params ...string) []Event {
	c.t.Helper()
	var events []Event
	cursor := []string{}
	for {
		page := c.Inbox(append(params, cursor...)...)
		events = append(events, page.Events...)
		if page.NextCursor == nil {
			return events
		}
		cursor = []string{"cursor", *page.NextCursor}
	}
}

// IDs are the ids of events.
func IDs(events []Event) []string {
	ids := make([]string, len(events))
	for i := range events {
		ids[i] = events[i].ID
	}
	return ids
}

// Want fails the test unless the answer has the given status.
func (r *Response) Want(status int) *Response {
	r.t.Helper()
	if r.Status != status {
		r.t.Fatalf("status %d, want %d: %s", r.Status, status, r.Body)
	}
	return r
}

// WantError fails the test unless the answer is an error with the given status and code.
func (r *Response) WantError(status int, code string) *Response {
	r.t.Helper()
	if got := r.Want(status).Text("error.code"); got != code {
		r.t.Fatalf("code %s, want %s: %s", got, code, r.Body)
	}
	return r
}

// Into decodes the body.
func (r *Response) Into(target any) {
	r.t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(r.Body))
	if err := decoder.Decode(target); err != nil {
		r.t.Fatalf("%v: %s", err, r.Body)
	}
}

// Value is what stands at a path of names and numbers, such as "results.0.status"; nil when there is nothing.
func (r *Response) Value(path string) any {
	r.t.Helper()
	var value any
	r.Into(&value)
	for name := range strings.SplitSeq(path, ".") {
		switch v := value.(type) {
		case map[string]any:
			value = v[name]
		case []any:
			var i int
			if _, err := fmt.Sscan(name, &i); err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

// Text is Value for strings; empty when there is none.
func (r *Response) Text(path string) string {
	r.t.Helper()
	text, _ := r.Value(path).(string)
	return text
}

func decodeJSON(body []byte) (any, error) {
	var value any
	err := json.Unmarshal(body, &value)
	return value, err
}

// Chunked posts a body without saying how long it is.
func (c *Client) Chunked(path, body string) *Response {
	c.t.Helper()
	request, err := http.NewRequest(http.MethodPost, c.base+path, io.MultiReader(strings.NewReader(body)))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.Send(request)
	if err != nil {
		c.t.Fatalf("POST %s: %v", path, err)
	}
	return response
}
