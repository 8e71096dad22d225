package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	minFileSecret = 32  // characters of a credential in a file: at least what 128 random bits take in hexadecimal
	maxFiles      = 100 // credentials of one directory
)

// FileSource is a directory whose files each hold one credential, as a Kubernetes Secret that is mounted as a volume does. A
// file's name is the credential's name, its content without surrounding white space the secret. Names that begin with a dot,
// which is where the kubelet keeps what it swaps, and directories are passed over.
type FileSource struct {
	Dir string
	// AccessType is what the credentials may do. Those of AccessPathKey stand in a review's path, and nowhere else: every reader
	// of webhook configurations sees them.
	AccessType AccessType
	// Names are the files to read; none means all.
	Names []string
}

// WithFiles gives a store that also has the credentials of files. They are read anew whenever the tokens are, so that a Secret
// that changes is taken over without a restart; they are never written to the store, and cannot be revoked but by their file.
// A directory that does not exist has no credentials: a Secret may be optional. One that cannot be read fails the whole look,
// so that the tokens of the last one go on working.
func WithFiles(store TokenStore, sources ...FileSource) TokenStore {
	if len(sources) == 0 {
		return store
	}
	return &withFiles{TokenStore: store, sources: sources}
}

type withFiles struct {
	TokenStore
	sources []FileSource
}

// Tokens implements TokenStore.
func (w *withFiles) Tokens(ctx context.Context) ([]Token, error) {
	tokens, err := w.TokenStore.Tokens(ctx)
	if err != nil {
		return nil, err //nolint:wrapcheck // the store's own words
	}
	for i := range w.sources {
		found, err := w.sources[i].tokens()
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, found...)
	}
	return tokens, nil
}

// TouchToken implements TokenStore. Nobody keeps when a file's credential was used last.
func (w *withFiles) TouchToken(ctx context.Context, id string, at time.Time) error {
	if strings.HasPrefix(id, fileID) {
		return nil
	}
	return w.TokenStore.TouchToken(ctx, id, at) //nolint:wrapcheck // the store's own words
}

// fileID begins the ids of credentials in files, which no stored token's id does: those are hexadecimal.
const fileID = "file:"

func (s *FileSource) tokens() ([]Token, error) {
	entries, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the credentials of %s: %w", s.Dir, err)
	}
	var tokens []Token
	for _, entry := range entries {
		if !s.wanted(entry.Name()) {
			continue
		}
		token, err := s.token(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("read the credential %s: %w", filepath.Join(s.Dir, entry.Name()), err)
		}
		if token == nil {
			continue
		}
		if len(tokens) == maxFiles {
			return nil, fmt.Errorf("read the credentials of %s: there are more than %d", s.Dir, maxFiles)
		}
		tokens = append(tokens, *token)
	}
	return tokens, nil
}

func (s *FileSource) wanted(name string) bool {
	if strings.HasPrefix(name, ".") {
		return false
	}
	return len(s.Names) == 0 || slices.Contains(s.Names, name)
}

// token reads one file; nil where it is a directory, empty, or gone since it was listed.
func (s *FileSource) token(name string) (*Token, error) {
	file, err := os.Open(filepath.Join(s.Dir, name)) //nolint:gosec // a file of the directory that the operator names
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, failure := file.Stat(); failure != nil || info.IsDir() {
		return nil, failure
	}
	content, err := io.ReadAll(io.LimitReader(file, maxHeader))
	if err != nil {
		return nil, err
	}
	secret := strings.TrimSpace(string(content))
	switch {
	case secret == "":
		return nil, nil
	case len(secret) < minFileSecret, len(secret) > maxSecret:
		return nil, fmt.Errorf("it has %d characters; %d to %d random ones are asked for", len(secret), minFileSecret, maxSecret)
	case strings.ContainsAny(secret, " \t\r\n/?#%"):
		return nil, errors.New("it has a character that no token has: white space or one of / ? # %")
	}
	hash := sha256.Sum256([]byte(secret))
	return &Token{ID: fileID + filepath.Base(s.Dir) + "/" + name, Name: name, AccessType: s.AccessType, Hash: hash[:]}, nil
}
