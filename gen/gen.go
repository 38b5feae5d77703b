// Package gen is what openapi.yaml declares, as Go: models, the strict Echo server interface, the contract itself and
// a client. Everything named *.gen.go and the copy of openapi.yaml is generated and never edited: change
// openapi.yaml, then run "make generate". The package knows nothing of how the API is implemented.
package gen

import (
	_ "embed"
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:generate go tool oapi-codegen -config models.cfg.yaml ../openapi.yaml
//go:generate go tool oapi-codegen -config server.cfg.yaml ../openapi.yaml
//go:generate go tool oapi-codegen -config client.cfg.yaml ../openapi.yaml
//go:generate cp ../openapi.yaml openapi.gen.yaml

// ContractYAML is openapi.yaml as it was written, comments and order included.
//
//go:embed openapi.gen.yaml
var ContractYAML []byte

// Contract reads the contract. Each call returns a copy of its own. It fails when the contract is not valid OpenAPI,
// which is a fault of the build. (The generator can embed the contract too, but renames its operations on the way.)
func Contract() (*openapi3.T, error) {
	contract, err := openapi3.NewLoader().LoadFromData(ContractYAML)
	if err != nil {
		return nil, fmt.Errorf("gen: read the contract: %w", err)
	}
	return contract, nil
}
