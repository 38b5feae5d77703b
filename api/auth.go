package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/gen"
)

// authenticate finds out whose request this is, and whether they may make it.
func (a *API) authenticate(c echo.Context, call *call) error {
	key, err := presentedKey(c.Request().Header)
	if err != nil {
		return err
	}
	call.caller, err = a.callers.find(c.Request().Context(), call.store, key, time.Now())
	switch {
	case err != nil:
		return err
	case call.caller.tenant.Disabled:
		return &problem{
			status: http.StatusForbidden, code: gen.TENANTDISABLED,
			message: "This tenant is disabled. Ask the operator of this server.",
		}
	case call.op.scope != "" && !call.caller.may(call.op.scope):
		return &problem{
			status: http.StatusForbidden, code: gen.INSUFFICIENTSCOPE,
			message: "This API key lacks the scope " + string(call.op.scope) + ". Ask the operator for a key that has it.",
		}
	}
	return nil
}

// authenticateAdmin lets the operator in. Without a key of the operator's there is no admin API.
func (a *API) authenticateAdmin(c echo.Context) error {
	if a.cfg.AdminKey == "" {
		return &problem{
			status: http.StatusNotFound, code: gen.NOTFOUND,
			message: "The admin API is off. The operator turns it on with ADMIN_API_KEY.",
		}
	}
	key, err := presentedKey(c.Request().Header)
	if err != nil {
		return err
	}
	// Hashes have one length, so that the comparison says nothing about that of the key.
	got, want := sha256.Sum256([]byte(key)), sha256.Sum256([]byte(a.cfg.AdminKey))
	if subtle.ConstantTimeCompare(got[:], want[:]) == 0 {
		return unauthorized("This is not the operator's key.")
	}
	return nil
}

// canonicalAPIKey is X-API-Key as net/http spells it.
var canonicalAPIKey = http.CanonicalHeaderKey(headerAPIKey)

// presentedKey reads the key from either header. Two headers must say the same.
func presentedKey(h http.Header) (string, error) {
	bearer, plain := h[echo.HeaderAuthorization], h[canonicalAPIKey]
	if len(bearer) > 1 || len(plain) > 1 {
		return "", unauthorized("Send the API key once.")
	}
	var key string
	if len(bearer) == 1 {
		scheme, token, _ := strings.Cut(bearer[0], " ")
		key = strings.TrimSpace(token)
		if !strings.EqualFold(scheme, "Bearer") || key == "" {
			return "", unauthorized(`Send the API key as "Authorization: Bearer KEY".`)
		}
	}
	if len(plain) == 1 {
		if key != "" && subtle.ConstantTimeCompare([]byte(key), []byte(plain[0])) == 0 {
			return "", unauthorized("Authorization and X-API-Key name different keys. Send one.")
		}
		key = plain[0]
	}
	if key == "" {
		return "", unauthorized(`Send an API key as "Authorization: Bearer KEY" or as "X-API-Key: KEY".`)
	}
	return key, nil
}

func unauthorized(message string) *problem {
	return &problem{status: http.StatusUnauthorized, code: gen.UNAUTHORIZED, message: message}
}
