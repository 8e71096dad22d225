package inventory_test

import (
	"strings"
	"testing"
)

// rackSpec is in the form that RubyGems writes.
const rackSpec = `# -*- encoding: utf-8 -*-
# stub: rack 2.2.3 ruby lib

Gem::Specification.new do |s|
  s.name = "rack".freeze
  s.version = "2.2.3"

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.metadata = { "changelog_uri" => "https://example.org" } if s.respond_to? :metadata=
  s.require_paths = ["lib".freeze]
  s.summary = "a modular Ruby webserver interface".freeze

  s.specification_version = 4
  s.add_development_dependency(%q<minitest>.freeze, ["~> 5.0".freeze])
end
`

func TestGem(t *testing.T) {
	t.Parallel()
	const at = "usr/local/bundle/specifications/rack-2.2.3.gemspec"
	handmade := func(lines string) string { return "Gem::Specification.new do |spec|\n" + lines + "\nend\n" }
	for name, tt := range map[string]struct {
		item          item
		want, warning string
	}{
		"installed":        {text(at, rackSpec), "rack 2.2.3", ""},
		"without comment":  {text(at, strings.Replace(rackSpec, "# stub: ", "# ", 1)), "rack 2.2.3", ""},
		"with a platform":  {text(at, "# stub: nokogiri 1.13.9 x86_64-linux lib\n\n"), "nokogiri 1.13.9", ""},
		"default gem":      {text("usr/local/lib/ruby/gems/3.2.0/specifications/default/json-2.6.3.gemspec", handmade("  s.name = \"json\"\n  s.version = \"2.6.3\".freeze")), "json 2.6.3", ""},
		"other quotes":     {text(at, handmade("  spec.name    = %q{rack}\n  spec.version = Gem::Version.new('1.0.1')")), "rack 1.0.1", ""},
		"in a later line":  {text(at, handmade("  s.files = ["+strings.Repeat(`"lib/x.rb", `, 20_000)+"]\n  s.version = '1.0'\n  s.name = 'a'")), "a 1.0", ""},
		"first one counts": {text(at, handmade("  s.name = 'a'\n  s.name = 'b'\n  s.version = '1.0'")), "a 1.0", ""},
		"elsewhere":        {text("app/rack.gemspec", rackSpec), "", ""},
		"computed version": {text(at, handmade("  s.name = 'rack'\n  s.version = Rack::VERSION")), "", "unread " + at + ": it is not read: it names no gem with a version"},
		"computed text":    {text(at, handmade("  s.name = 'rack'\n  s.version = \"1.#{minor}\"")), "", "unread " + at + ": it is not read: it names no gem with a version"},
		"empty":            {text(at, ""), "", "unread " + at + ": it is not read: it names no gem with a version"},
		"marshalled":       {text(at, "\x04\bu:\x00"), "", "unread " + at + ": it is not read: line 1 has a zero byte"},
		"in a test":        {text("x/test/specifications/bad-1.gemspec", "junk"), "", "x/test/specifications/bad-1.gemspec: it is not read: it names no gem with a version"},
		"not in UTF-8":     {text(at, "# stub: a\xff 1.0 ruby lib\n"), "", "unread " + at + ": it is not read: it is not text in UTF-8"},
		"a long name":      {text(at, "# stub: "+strings.Repeat("a", 5000)+" 1.0 ruby lib\n"), "", "unread " + at + ": it is not read: its name and version are longer than 4096 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantPackages(t, tt.item, "gem RubyGems", tt.want, tt.warning)
		})
	}
}

// FuzzGem feeds arbitrary specifications: each gives one gem with a name and a version, or is unread.
func FuzzGem(f *testing.F) {
	f.Add(rackSpec)
	f.Add("Gem::Specification.new do |s|\n s.name = 'a'\n s.version = Gem::Version.new(\"1.0\")\nend")
	f.Fuzz(func(t *testing.T, spec string) { fuzzFile(t, "specifications/a-1.gemspec", spec, 1) })
}
