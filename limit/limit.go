// Package limit decides whether a key may make another request. It knows neither what a key stands for nor HTTP.
package limit

import (
	"context"
	"time"
)

// Window is the time that a limit counts for.
const Window = time.Minute

// Limiter counts requests per key. Its methods are safe for concurrent use. A key's limit is how many requests it may
// make in a Window, 0 for no limit. It may be another at any call, and what was drawn before counts on.
type Limiter interface {
	// Take draws n requests from the key's allowance, all or none.
	Take(ctx context.Context, key string, limit, n int) Decision
	// Peek tells whether one request would be allowed, and draws nothing.
	Peek(ctx context.Context, key string, limit int) Decision
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
