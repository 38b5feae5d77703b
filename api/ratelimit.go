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

// draw takes n requests from the caller's limit and tells in headers what is left. With n = 0 it only tells.
func (a *API) draw(ctx context.Context, call *call, n int) error {
	var d limit.Decision
	if n == 0 {
		d = a.cfg.Limiter.Peek(ctx, call.caller.KeyID)
	} else {
		d = a.cfg.Limiter.Take(ctx, call.caller.KeyID, n)
	}
	limitHeaders(call.header, d)
	if d.Allowed {
		return nil
	}
	wait := max(1, seconds(d.RetryAfter))
	return &problem{
		status: http.StatusTooManyRequests, code: gen.RATELIMITED, retryAfter: wait,
		message: fmt.Sprintf("The rate limit of this API key is used up. Try again in %d seconds.", wait),
	}
}

// drawBatch takes what a batch of n events costs beyond the one request that was drawn for it when it came.
func (a *API) drawBatch(ctx context.Context, call *call, n int) error {
	if n < 2 {
		return nil
	}
	if quota := a.cfg.Limiter.Peek(ctx, call.caller.KeyID).Limit; quota > 0 && n > quota {
		return &problem{
			status: http.StatusBadRequest, code: gen.BATCHTOOLARGE, field: "events",
			message: fmt.Sprintf("A batch of %d events costs %d requests, and this API key may make %d a minute. "+
				"Send at most %d events at once.", n, n, quota, quota),
		}
	}
	return a.draw(ctx, call, n-1)
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
