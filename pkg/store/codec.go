package store

import (
	"encoding/json"
	"fmt"

	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
	"github.com/klauspost/compress/zstd"
)

// maxDocument is the most bytes of JSON that one stored document may unfold to: a damaged or foreign one must not take all memory.
const maxDocument = 1 << 30

// codec turns documents into compressed JSON and back. It is safe for concurrent use.
type codec struct {
	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

func newCodec() (*codec, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("make zstd encoder: %w", err)
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxDocument), zstd.WithDecoderConcurrency(0))
	if err != nil {
		return nil, fmt.Errorf("make zstd decoder: %w", err)
	}
	return &codec{encoder: encoder, decoder: decoder}, nil
}

func (c *codec) pack(document any) ([]byte, error) {
	plain, err := json.Marshal(document)
	if err != nil {
		return nil, err
	}
	return c.encoder.EncodeAll(plain, make([]byte, 0, len(plain)/4)), nil
}

func (c *codec) unpack(packed []byte, document any) error {
	plain, err := c.decoder.DecodeAll(packed, nil)
	if err != nil {
		return fmt.Errorf("decompress: %w", err)
	}
	// With the rules of encoding/json and twice its speed, which is most of the time that a report takes.
	return jsonv2.Unmarshal(plain, document, jsonv1.DefaultOptionsV1())
}
