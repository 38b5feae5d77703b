package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/triggers-api/triggers/gen"
	"github.com/triggers-api/triggers/store"
)

const (
	// healthMaxAge is how long a finding is kept, so that probes cannot be used to keep the disk busy.
	healthMaxAge = time.Second
	// healthTimeout is how long the store may take to answer before it counts as unavailable.
	healthTimeout = 2 * time.Second
)

// healthCheck remembers what it found last.
type healthCheck struct {
	check func(context.Context) error

	mu   sync.Mutex
	at   time.Time
	last error
}

// run returns nil when the store can be written. Callers that come while it is being tried wait for that.
func (h *healthCheck) run() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if time.Since(h.at) < healthMaxAge {
		return h.last
	}
	// Not the caller's context: its leaving must not become the finding for all others.
	ctx, cancel := context.WithTimeout(context.Background(), healthTimeout)
	defer cancel()
	h.last = h.check(ctx)
	h.at = time.Now()
	return h.last
}

// GetLiveness implements gen.StrictServerInterface.
func (a *API) GetLiveness(context.Context, gen.GetLivenessRequestObject) (gen.GetLivenessResponseObject, error) {
	return gen.GetLiveness200JSONResponse{AliveJSONResponse: gen.AliveJSONResponse{
		Body: gen.Liveness{Status: gen.LivenessStatusAlive},
	}}, nil
}

// GetReadiness implements gen.StrictServerInterface.
func (a *API) GetReadiness(context.Context, gen.GetReadinessRequestObject) (gen.GetReadinessResponseObject, error) {
	health, ok := a.healthNow()
	if a.stopping.Load() {
		ok = false
		health.Status = gen.HealthStatusUnhealthy
		health.Checks.Store = gen.HealthChecksStoreStopping
	}
	if !ok {
		return gen.GetReadiness503JSONResponse{UnhealthyJSONResponse: unhealthy(health)}, nil
	}
	return gen.GetReadiness200JSONResponse{HealthyJSONResponse: gen.HealthyJSONResponse{Body: health}}, nil
}

// GetHealth implements gen.StrictServerInterface.
func (a *API) GetHealth(context.Context, gen.GetHealthRequestObject) (gen.GetHealthResponseObject, error) {
	health, ok := a.healthNow()
	if !ok {
		return gen.GetHealth503JSONResponse{UnhealthyJSONResponse: unhealthy(health)}, nil
	}
	return gen.GetHealth200JSONResponse{HealthyJSONResponse: gen.HealthyJSONResponse{Body: health}}, nil
}

func (a *API) healthNow() (gen.Health, bool) {
	health := gen.Health{
		Status: gen.HealthStatusHealthy, Version: a.cfg.Version, UptimeSeconds: int(time.Since(a.started).Seconds()),
	}
	health.Checks.Store = gen.HealthChecksStoreOk
	err := a.health.run()
	if err == nil {
		return health, true
	}
	a.cfg.Logger.Error("the store is not ready", "error", err.Error())
	health.Status = gen.HealthStatusUnhealthy
	health.Checks.Store = gen.HealthChecksStoreUnavailable
	if errors.Is(err, store.ErrSchema) {
		health.Checks.Store = gen.HealthChecksStoreMigrationRequired
		health.Message = new(err.Error())
	}
	return health, false
}

// checkStore returns nil when there is a store and it can be written.
func (a *API) checkStore(ctx context.Context) error {
	s, err := a.cfg.Store()
	if err != nil {
		return err
	}
	return s.Check(ctx)
}

func unhealthy(health gen.Health) gen.UnhealthyJSONResponse {
	return gen.UnhealthyJSONResponse{
		Body: health, Headers: gen.UnhealthyResponseHeaders{RetryAfter: new(retryUnavailable)},
	}
}
