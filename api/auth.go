package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/gen"
)

// Caller is who a request comes from.
type Caller struct {
	TenantID string
	// KeyID stands for the API key in limits. It is the same on every instance, and does not lead back to the key.
	KeyID string
}

// Keys knows which API key belongs to which tenant. Keys are kept and compared as salted hashes, so that the time a
// look-up takes says nothing about them.
type Keys struct {
	salt     [32]byte
	byHash   map[[sha256.Size]byte]Caller
	disabled map[string]bool
}

// NewKeys returns the keys of a map from key to tenant; requests of disabled tenants are refused.
func NewKeys(tenantByKey map[string]string, disabledTenants []string) *Keys {
	k := &Keys{byHash: map[[sha256.Size]byte]Caller{}, disabled: map[string]bool{}}
	_, _ = rand.Read(k.salt[:]) // never fails (crypto/rand)
	for key, tenant := range tenantByKey {
		id := sha256.Sum256([]byte(key))
		k.byHash[k.hash(key)] = Caller{TenantID: tenant, KeyID: hex.EncodeToString(id[:])}
	}
	for _, tenant := range disabledTenants {
		k.disabled[tenant] = true
	}
	return k
}

func (k *Keys) hash(key string) [sha256.Size]byte {
	b := make([]byte, 0, 128)
	return sha256.Sum256(append(append(b, k.salt[:]...), key...))
}

func (k *Keys) caller(key string) (Caller, bool) {
	caller, ok := k.byHash[k.hash(key)]
	return caller, ok
}

// authenticate finds out whose request this is.
func (a *API) authenticate(c echo.Context, call *call) error {
	key, err := presentedKey(c.Request().Header)
	if err != nil {
		return err
	}
	caller, ok := a.cfg.Keys.caller(key)
	if !ok {
		return unauthorized("This API key is not known.")
	}
	call.caller = caller
	if a.cfg.Keys.disabled[caller.TenantID] {
		return &problem{
			status: http.StatusForbidden, code: gen.TENANTDISABLED,
			message: "This tenant is disabled. Ask the operator of this server.",
		}
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
