package main

import (
	"sync/atomic"
	"time"
)

// retention is how long events are kept. It is told by the housekeeper which tenants differ from the server's setting.
type retention struct {
	standard time.Duration
	own      atomic.Pointer[map[string]time.Duration]
}

// of is how long a tenant's events are kept; 0 is for ever.
func (r *retention) of(tenantID string) time.Duration {
	if own := r.own.Load(); own != nil {
		if keep, ok := (*own)[tenantID]; ok {
			return keep
		}
	}
	return r.standard
}

func days(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
