package api

import (
	"context"
	"time"

	"github.com/oapi-codegen/nullable"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/limit"
)

// GetUsage implements gen.StrictServerInterface.
func (a *API) GetUsage(ctx context.Context, _ gen.GetUsageRequestObject) (gen.GetUsageResponseObject, error) {
	usage := gen.Usage{
		Limit: nullable.NewNullNullable[int](), Remaining: nullable.NewNullNullable[int](),
		ResetAt: nullable.NewNullNullable[gen.MilliTime](), WindowSeconds: int(limit.Window / time.Second),
	}
	call := callOf(ctx)
	if d := a.cfg.Limiter.Peek(ctx, call.caller.keyID, a.limitOf(call)); d.Limit > 0 {
		usage.Limit.Set(d.Limit)
		usage.Remaining.Set(d.Remaining)
		usage.ResetAt.Set(gen.MilliTime{Time: time.Now().Add(d.Reset)})
	}
	return gen.GetUsage200JSONResponse{Body: usage}, nil
}
