package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// bareCommand makes this program be the bare server instead of the benchmark. It is a process of its own, so that it has
// the same two cores and the same load tool against it as the real server.
const bareCommand = "bare"

// serveBare is the least that an accepting server could do with Echo: decode the body and answer JSON. It neither checks
// nor stores nor logs, and so is the ceiling that the real server's rate is a ratio of.
func serveBare(ctx context.Context) error {
	type event struct {
		Source  string          `json:"source"`
		Type    string          `json:"type"`
		Topic   string          `json:"topic"`
		Payload json.RawMessage `json:"payload"`
	}
	e := echo.New()
	e.POST("/events", func(c echo.Context) error {
		var in event
		if err := c.Bind(&in); err != nil {
			return err
		}
		return c.JSON(http.StatusOK, map[string]any{
			"id":         "evt_01K9S5MZ2CE8GR8S4A5JQ9ZK3T",
			"receivedAt": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
			"status":     "accepted",
		})
	})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: e, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Printf("{\"msg\":\"listening\",\"address\":%q}\n", listener.Addr()) // as the real server's log has it
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}
