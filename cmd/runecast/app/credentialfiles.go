package app

import "github.com/runecast/runecast/pkg/auth"

// credentialFiles are the directories of credentials that the configuration names: of keys for a review's path, which may do nothing
// but review, and of API tokens.
func credentialFiles(config *Config) []auth.FileSource {
	var sources []auth.FileSource
	if config.ReviewKeyDir != "" {
		sources = append(sources, auth.FileSource{Dir: config.ReviewKeyDir, AccessType: auth.AccessPathKey, Names: []string{"key", "previous"}})
	}
	if config.TokenDir != "" {
		access, err := auth.ParseAccessType(config.TokenAccessType)
		if err != nil {
			access = auth.AccessReview // the configuration was checked; the weaker of the two in any case
		}
		sources = append(sources, auth.FileSource{Dir: config.TokenDir, AccessType: access})
	}
	return sources
}
