package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// batchSize and pageSize are the most that the contract allows in one request.
	batchSize = 100
	pageSize  = 500
	// requestTimeout bounds every request.
	requestTimeout = 60 * time.Second
)

// client is a producer or a consumer with one API key. It takes any answer but 200 for an error.
type client struct {
	http     *http.Client
	url, key string
}

// newClient makes a client with at most the given number of connections, which it keeps.
func newClient(url, key string, connections int) *client {
	return &client{url: url, key: key, http: &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections, DisableCompression: true},
	}}
}

// close closes the connections.
func (c *client) close() { c.http.CloseIdleConnections() }

// page is a page of the inbox, as far as it is looked at.
type page struct {
	Events     []struct{ ID string } `json:"events"`
	NextCursor *string               `json:"nextCursor"`
}

// ids are the ids of the page's events.
func (p page) ids() []string {
	ids := make([]string, len(p.Events))
	for i, e := range p.Events {
		ids[i] = e.ID
	}
	return ids
}

// create sends one event.
func (c *client) create(ctx context.Context, n int) error {
	return c.call(ctx, http.MethodPost, "/events", []byte(event(n)), nil)
}

// createBatch sends batchSize events from the nth on and returns their ids.
func (c *client) createBatch(ctx context.Context, n int) ([]string, error) {
	events := make([]string, batchSize)
	for i := range events {
		events[i] = event(n + i)
	}
	body := `{"events":[` + strings.Join(events, ",") + `]}`
	var answer struct{ Results []struct{ ID, Status string } }
	if err := c.call(ctx, http.MethodPost, "/events/batch", []byte(body), &answer); err != nil {
		return nil, err
	}
	ids := make([]string, 0, batchSize)
	for _, result := range answer.Results {
		if result.Status == "accepted" {
			ids = append(ids, result.ID)
		}
	}
	if len(ids) != batchSize {
		return nil, fmt.Errorf("of a batch of %d, %d were accepted", batchSize, len(ids))
	}
	return ids, nil
}

// list reads a page of the inbox.
func (c *client) list(ctx context.Context, limit int, cursor string) (page, error) {
	var p page
	return p, c.call(ctx, http.MethodGet, inboxPath(limit, cursor), nil, &p)
}

func inboxPath(limit int, cursor string) string {
	query := url.Values{"limit": {strconv.Itoa(limit)}}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	return "/inbox?" + query.Encode()
}

// acknowledge takes events out of the inbox. It is an error if one of them cannot be.
func (c *client) acknowledge(ctx context.Context, ids []string) error {
	body, err := json.Marshal(map[string][]string{"ids": ids})
	if err != nil {
		return err
	}
	var answer struct{ Results []struct{ Status string } }
	if err := c.call(ctx, http.MethodPost, "/inbox/ack", body, &answer); err != nil {
		return err
	}
	done := 0
	for _, result := range answer.Results {
		if result.Status == "acknowledged" {
			done++
		}
	}
	if done != len(ids) {
		return fmt.Errorf("of %d events, %d were acknowledged", len(ids), done)
	}
	return nil
}

// call sends a request and decodes the answer.
func (c *client) call(ctx context.Context, method, path string, body []byte, into any) error {
	answer, err := c.fetch(ctx, method, path, body)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// fetch sends a request and reads the whole answer.
func (c *client) fetch(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("X-API-Key", c.key)
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", method, path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %.500s", method, path, response.Status, answer)
	}
	return answer, nil
}
