package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// healthTimeout bounds "triggers health".
const healthTimeout = 5 * time.Second

// health asks the server on this machine whether it is ready, for container images that have no other program.
func (c *command) health(ctx context.Context, args []string) error {
	var host, port string
	s := newSettings("health [flags]", c.stdout)
	s.text(&host, "HOST", "127.0.0.1", "address that the server listens on")
	s.text(&port, "PORT", "8000", "port that the server listens on")
	if _, err := s.read(c.env, args, 0); err != nil {
		return err
	}
	if err := errors.Join(s.mistakes...); err != nil {
		fmt.Fprintf(c.stderr, "triggers health: %v\n", err)
		return errUsage
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("health: %w", err)
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("health: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("health: the server answers %d", response.StatusCode)
	}
	fmt.Fprintln(c.stdout, "ready")
	return nil
}
