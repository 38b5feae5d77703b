// Package limit decides whether a key may make another request. It knows neither what a key stands for nor HTTP.
package limit

import (
	"context"
	"time"
)

// Window is the time that a limit counts for.
const Window = time.Minute

// Limiter counts requests per key. Its methods are safe for concurrent use.
type Limiter interface {
	// Take draws n requests from the key's allowance, all or none.
	Take(ctx context.Context, key string, n int) Decision
	// Peek tells whether one request would be allowed, and draws nothing.
	Peek(ctx context.Context, key string) Decision
}

// Decision is what a limiter found.
type Decision struct {
	// Allowed says that the requests were drawn, or could be.
	Allowed bool
	// Limit is how many requests a key may make in a Window; 0 when there is no limit, and then nothing else counts.
	Limit int
	// Remaining is how many requests the key may make right now.
	Remaining int
	// Reset is how long it takes until all of Limit is there again, if nothing more is drawn.
	Reset time.Duration
	// RetryAfter is how long to wait until what was refused may be allowed. It is 0 when allowed, and also when the
	// request asks for more than Limit and so can never be.
	RetryAfter time.Duration
}

// Unlimited allows everything.
type Unlimited struct{}

// Take implements Limiter.
func (Unlimited) Take(context.Context, string, int) Decision { return Decision{Allowed: true} }

// Peek implements Limiter.
func (Unlimited) Peek(context.Context, string) Decision { return Decision{Allowed: true} }
