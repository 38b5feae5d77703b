package api

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/triggers-api/triggers/gen"
)

const jsonType = "application/json"

// maxOtherBody limits bodies that are not events, in bytes: 500 ids fit in well.
const maxOtherBody = 128 << 10

// readBody returns the whole body, inflated, if it is JSON by its headers and has at most limit bytes. It stops reading
// at the first byte too many.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	if err := checkContentType(r.Header); err != nil {
		return nil, err
	}
	gzipped, err := isGzip(r.Header)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > limit && !gzipped {
		return nil, tooLarge(limit)
	}
	// Compressed data may be somewhat larger than what it holds, but not without end.
	raw := http.MaxBytesReader(nil, r.Body, limit+1024)
	if !gzipped {
		return readAll(raw, r.ContentLength, limit)
	}
	inflated, err := gzip.NewReader(raw)
	if err != nil {
		return nil, bodyReadProblem(err, limit)
	}
	return readAll(inflated, -1, limit)
}

// trusted is the announced length in bytes that memory is set aside for before the body is there.
const trusted = 64 << 10

func readAll(body io.Reader, length, limit int64) ([]byte, error) {
	if length >= 0 && length <= trusted {
		b := make([]byte, length)
		if _, err := io.ReadFull(body, b); err != nil {
			return nil, bodyReadProblem(err, limit)
		}
		return b, nil
	}
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err == nil && length > int64(len(b)) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, bodyReadProblem(err, limit)
	}
	if int64(len(b)) > limit {
		return nil, tooLarge(limit)
	}
	return b, nil
}

func checkContentType(h http.Header) error {
	values := h[echo.HeaderContentType]
	if len(values) == 1 && values[0] == jsonType {
		return nil
	}
	if len(values) == 1 {
		kind, params, err := mime.ParseMediaType(values[0])
		charset := params["charset"]
		if err == nil && kind == jsonType && (charset == "" || strings.EqualFold(charset, "utf-8")) {
			return nil
		}
	}
	return unsupported(echo.HeaderContentType, `Send JSON in UTF-8, with "Content-Type: application/json".`)
}

func isGzip(h http.Header) (bool, error) {
	values := h[echo.HeaderContentEncoding]
	if len(values) == 0 {
		return false, nil
	}
	switch encoding := strings.ToLower(strings.TrimSpace(strings.Join(values, ","))); encoding {
	case "gzip", "x-gzip": // the same, by RFC 9110, section 8.4.1.3
		return true, nil
	case "identity", "":
		return false, nil
	default:
		return false, unsupported(echo.HeaderContentEncoding, "Send the body as it is, or with Content-Encoding: gzip.")
	}
}

func bodyReadProblem(err error, limit int64) *problem {
	var tooMuch *http.MaxBytesError
	switch {
	case errors.As(err, &tooMuch):
		return tooLarge(limit)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &problem{
			status: http.StatusRequestTimeout, code: gen.REQUESTTIMEOUT, cause: err,
			message: "The request body did not arrive in time. Send it again.",
		}
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return invalid(echo.HeaderContentEncoding, "the body is not valid gzip").because(err)
	default:
		return invalid("", "the body ended early or could not be read").because(err)
	}
}

func tooLarge(limit int64) *problem {
	return &problem{
		status: http.StatusBadRequest, code: gen.PAYLOADTOOLARGE,
		message: fmt.Sprintf("The body is larger than %d bytes, the most this server takes here.", limit),
	}
}

func unsupported(header, message string) *problem {
	return &problem{status: http.StatusUnsupportedMediaType, code: gen.UNSUPPORTEDMEDIATYPE, field: header, message: message}
}
