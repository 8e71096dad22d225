// Package browser tests the pages as people see them: by a headless Chromium against a running server (make test-browser).
package browser
