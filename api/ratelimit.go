package api

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/limit"
)

// draw takes n requests from the caller's limit and tells in headers what is left. With n = 0 it only tells, but refuses a
// caller who could make no request at all.
func (a *API) draw(ctx context.Context, call *call, n int) error {
	var d limit.Decision
	if n == 0 {
		d = a.cfg.Limiter.Peek(ctx, call.caller.keyID, a.limitOf(call))
		d.Allowed = d.Allowed || !call.op.limited
	} else {
		d = a.cfg.Limiter.Take(ctx, call.caller.keyID, a.limitOf(call), n)
		call.charged = n <= d.Limit || d.Allowed
	}
	limitHeaders(call.header, d)
	switch {
	case d.Allowed:
		return nil
	case n > d.Limit:
		return &problem{
			status: http.StatusBadRequest, code: gen.BATCHTOOLARGE, field: "events",
			message: fmt.Sprintf("A batch of %d events costs %d requests, and this API key may make %d a minute. "+
				"Send at most %d events at once.", n, n, d.Limit, d.Limit),
		}
	}
	wait := max(1, seconds(d.RetryAfter))
	return &problem{
		status: http.StatusTooManyRequests, code: gen.RATELIMITED, retryAfter: wait,
		message: fmt.Sprintf("The rate limit of this API key is used up. Try again in %d s.", wait),
	}
}

// settle draws one request for a batch that was refused before its events were counted, so that refusals are not free.
// Being refused by the limit itself is: a client that waits as long as it was told has to get through.
func (a *API) settle(ctx context.Context, call *call) {
	if call.op.limited && !call.charged {
		limitHeaders(call.header, a.cfg.Limiter.Take(ctx, call.caller.keyID, a.limitOf(call), 1))
	}
}

// limitOf is how many requests a minute the caller's key may make; 0 for no limit.
func (a *API) limitOf(call *call) int {
	if own := call.caller.tenant.RateLimitPerMinute; own != nil {
		return *own
	}
	return a.cfg.RateLimitPerMinute
}

// limitHeaders writes draft-ietf-httpapi-ratelimit-headers and the older X-RateLimit-* beside it.
func limitHeaders(h http.Header, d limit.Decision) {
	if d.Limit == 0 {
		return
	}
	quota, left, reset := strconv.Itoa(d.Limit), strconv.Itoa(d.Remaining), strconv.Itoa(seconds(d.Reset))
	window := strconv.Itoa(int(limit.Window / time.Second))
	h.Set(headerRateLimitPolicy, `"default";q=`+quota+`;w=`+window)
	h.Set(headerRateLimit, `"default";r=`+left+`;t=`+reset)
	h.Set(headerRateLimitLimit, quota)
	h.Set(headerRateLimitRemaining, left)
	h.Set(headerRateLimitReset, reset)
}

func seconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
