package storetest

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/runecast/runecast/pkg/auth"
	"github.com/runecast/runecast/pkg/inventory"
	"github.com/runecast/runecast/pkg/rematch"
	"github.com/runecast/runecast/pkg/scan"
	"github.com/runecast/runecast/pkg/store"
	"github.com/runecast/runecast/pkg/web"
)

// part is a part of the suite.
type part struct {
	name string
	test func(*testing.T, Backend)
}

// listParts are about lists of scans, vulnerabilities of all images, and numbers; and about databases of other versions.
func listParts() []part {
	return []part{
		{"scans are filtered and sorted", testScanFilters},
		{"a list has what it shows of a scan", testScansWhole},
		{"pages of scans are stable", testScanPages},
		{"bad cursors of scans are refused", testScanCursors},
		{"images are found by their vulnerabilities", testFindings},
		{"writers of findings do not disturb each other", testFindingsConcurrently},
		{"findings go with the last report", testFindingsPruned},
		{"vulnerabilities are filtered and searched", testVulnerabilitySearch},
		{"a vulnerability is found by any of its names", testVulnerability},
		{"reviews tell where a vulnerability was let in", testAffectedAdmissions},
		{"the overview counts scans", testOverview},
		{"what is searched by goes with the last scan", testPrunedTerms},
		{"images that were let in are at risk", testAtRisk},
		{"migrations run once", testMigrateTwice},
		{"openers at the same time take turns", testMigrateConcurrently},
		{"a newer database is refused", testMigrateNewer},
		{"decisions of an earlier version are listed and counted", testBackfill},
		{"an older database is not upgraded by a reader", testMigrateReadOnly},
	}
}

// Run runs the whole suite on one kind of database.
func Run(t *testing.T, b Backend) {
	t.Helper()
	for _, part := range append(listParts(), []part{
		{"a token comes back with every field", testTokenRoundTrip},
		{"a token is created once", testTokenOnce},
		{"a token is revoked once", testTokenRevoke},
		{"the last use of a token only goes forward", testTokenTouch},
		{"a user comes back with every field", testUserRoundTrip},
		{"a user is created once", testUserOnce},
		{"users are changed", testUserChanges},
		{"an administrator is always left", testLastAdministrator},
		{"sessions end by themselves, with the password and with the user", testSessions},
		{"old sessions are pruned", testPruneSessions},
		{"the audit log", testAudit},
		{"policies and exemptions", testPolicies},
		{"a decision comes back with every field", testDecisionRoundTrip},
		{"a decision is created once", testDecisionOnce},
		{"decisions are created together", testDecisionsTogether},
		{"a decision about many images is whole", testDecisionManyImages},
		{"hostile texts are stored", testDecisionHostileTexts},
		{"decisions are listed in pages", testDecisionPages},
		{"decisions are filtered", testDecisionFilters},
		{"bad cursors are refused", testDecisionCursors},
		{"writers of several stores do not disturb each other", testDecisionWriters},
		{"running scans come, go on and go", testRunningScans},
		{"a report comes back with every field", testReportRoundTrip},
		{"a report is kept per feed revision", testReportRevisions},
		{"reports are counted for lists", testReportColumns},
		{"an inventory comes back with every field", testInventory},
		{"a layer comes back", testLayer},
		{"a layer of another format is missing", testLayerFormat},
		{"inventories are listed in pages with their verdicts", testInventories},
		{"a flip is stored once and listed", testFlips},
		{"reports of the last two feeds stay", testPrune},
		{"one process at a time matches again", testExclusively},
		{"what comes behind a re-match is late", testLate},
		{"a re-match sees what is stored or is told that it is late", testLateConcurrently},
		{"old decisions are pruned with their images", testPruneDecisions},
		{"flips that nothing needs any more are pruned", testPruneFlips},
		{"events of a group become one notification", testNotificationGroups},
		{"an event is told once", testNotificationOnce},
		{"too many notifications become one", testNotificationLimit},
		{"a notification is one worker's until its lease ends", testNotificationLease},
		{"several servers write and send notifications", testNotificationServers},
		{"notifications are listed, retried, discarded and pruned", testNotificationMailbox},
		{"hostile texts are told", testNotificationHostileTexts},
		{"what is missing is nil", testMissing},
		{"what has no key is refused", testNoKey},
		{"a damaged document is an error", testDamaged},
		{"a cancelled context ends every call", testCancelled},
		{"a closed store answers with errors", testClosed},
		{"a database that cannot be written is read", testReadOnly},
		{"a working database pings and is writable", testHealth},
	}...) {
		t.Run(part.name, func(t *testing.T) {
			t.Parallel()
			part.test(t, b)
		})
	}
}

// call is one method of a store, for what holds for all of them.
type call struct {
	name   string
	writes bool
	do     func(context.Context, *store.Store) error
}

func calls() []call {
	return append(slices.Concat(runningCalls(), indexCalls(), notificationCalls(), policyCalls()), []call{
		{"Ping", false, func(ctx context.Context, s *store.Store) error { return s.Ping(ctx) }},
		{"Writable", true, func(ctx context.Context, s *store.Store) error { return s.Writable(ctx) }},
		{"CreateToken", true, func(ctx context.Context, s *store.Store) error { return s.CreateToken(ctx, sampleToken(900)) }},
		{"Tokens", false, func(ctx context.Context, s *store.Store) error { _, err := s.Tokens(ctx); return err }},
		{"RevokeToken", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.RevokeToken(ctx, "id", when())
			return err
		}},
		{"TouchToken", true, func(ctx context.Context, s *store.Store) error { return s.TouchToken(ctx, "id", when()) }},
		{"CreateUser", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.CreateUser(ctx, localUser("x", auth.RoleReadOnly))
			return err
		}},
		{"CreateSession", true, func(ctx context.Context, s *store.Store) error { return s.CreateSession(ctx, sampleSession(1, "x")) }},
		{"User", false, func(ctx context.Context, s *store.Store) error { _, err := s.User(ctx, "x"); return err }},
		{"Identity", false, func(ctx context.Context, s *store.Store) error { _, err := s.Identity(ctx, "x"); return err }},
		{"Users", false, func(ctx context.Context, s *store.Store) error { _, err := s.Users(ctx); return err }},
		{"SeeUser", true, func(ctx context.Context, s *store.Store) error { return s.SeeUser(ctx, "x", "", when()) }},
		{"DeleteUser", true, func(ctx context.Context, s *store.Store) error { _, err := s.DeleteUser(ctx, "x"); return err }},
		{"SetRole", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.SetRole(ctx, "x", auth.RoleReadOnly)
			return err
		}},
		{"SetPassword", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.SetPassword(ctx, "x", "hash", true)
			return err
		}},
		{"Session", false, func(ctx context.Context, s *store.Store) error { _, err := s.Session(ctx, []byte{1}); return err }},
		{"TouchSession", true, func(ctx context.Context, s *store.Store) error { return s.TouchSession(ctx, []byte{1}, when()) }},
		{"DeleteSession", true, func(ctx context.Context, s *store.Store) error { return s.DeleteSession(ctx, []byte{1}) }},
		{"PruneSessions", true, func(ctx context.Context, s *store.Store) error { return s.PruneSessions(ctx, when(), when()) }},
		{"CreateAuditEntry", true, func(ctx context.Context, s *store.Store) error {
			e := sampleEntry(900)
			return s.CreateAuditEntry(ctx, &e)
		}},
		{"AuditEntries", false, func(ctx context.Context, s *store.Store) error {
			_, _, err := s.AuditEntries(ctx, &auth.AuditQuery{})
			return err
		}},
		{"PruneAudit", true, func(ctx context.Context, s *store.Store) error { _, err := s.PruneAudit(ctx, when(), 1); return err }},
		{"CreateDecision", true, func(ctx context.Context, s *store.Store) error { return s.CreateDecision(ctx, Decision(900)) }},
		{"Decisions", false, func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Decisions(ctx, store.DecisionFilter{})
			return err
		}},
		{"Scans", false, func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Scans(ctx, &web.ScanQuery{Image: "nginx"})
			return err
		}},
		{"Decision", false, func(ctx context.Context, s *store.Store) error { _, err := s.Decision(ctx, "id"); return err }},
		{"PutReport", true, func(ctx context.Context, s *store.Store) error { return s.PutReport(ctx, Report(900, 1)) }},
		{"Report", false, func(ctx context.Context, s *store.Store) error { _, err := s.Report(ctx, Digest(1), "f1"); return err }},
		{"PutInventory", true, func(ctx context.Context, s *store.Store) error { return s.PutInventory(ctx, Digest(900), Contents()) }},
		{"Inventory", false, func(ctx context.Context, s *store.Store) error { _, err := s.Inventory(ctx, Digest(1)); return err }},
		{"PutFlips", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.PutFlips(ctx, nil, []rematch.Flip{Flip(900)})
			return err
		}},
		{"Inventories", false, func(ctx context.Context, s *store.Store) error {
			_, err := s.Inventories(ctx, rematch.Query{Revision: "f9", Limit: 10})
			return err
		}},
		{"BeginRematch", true, func(ctx context.Context, s *store.Store) error { return s.BeginRematch(ctx, "f1") }},
		{"PruneDecisions", true, func(ctx context.Context, s *store.Store) error {
			_, err := s.PruneDecisions(ctx, when(), 1)
			return err
		}},
		{"PruneFlips", true, func(ctx context.Context, s *store.Store) error { _, err := s.PruneFlips(ctx, when(), 1, 1); return err }},
		{"Rematched", false, func(ctx context.Context, s *store.Store) error { _, err := s.Rematched(ctx); return err }},
		{"FinishRematch", true, func(ctx context.Context, s *store.Store) error { return s.FinishRematch(ctx, "f1") }},
		{"Flips", false, func(ctx context.Context, s *store.Store) error { _, err := s.Flips(ctx, "", 1); return err }},
		{"PutLayer", true, func(ctx context.Context, s *store.Store) error {
			return s.PutLayer(ctx, Digest(900), &inventory.Layer{})
		}},
		{"Layer", false, func(ctx context.Context, s *store.Store) error { _, err := s.Layer(ctx, Digest(1)); return err }},
	}...)
}

// indexCalls are those about vulnerabilities of all images, and numbers.
func indexCalls() []call {
	return []call{
		{"PutFindings", true, func(ctx context.Context, s *store.Store) error {
			return s.PutFindings(ctx, []*scan.Report{Report(901, 3)})
		}},
		{"Vulnerabilities", false, func(ctx context.Context, s *store.Store) error {
			_, _, err := s.Vulnerabilities(ctx, &web.VulnerabilityQuery{})
			return err
		}},
		{"Vulnerability", false, func(ctx context.Context, s *store.Store) error {
			_, err := s.Vulnerability(ctx, Finding(0).ID)
			return err
		}},
		{"AffectedImages", false, func(ctx context.Context, s *store.Store) error {
			_, _, err := s.AffectedImages(ctx, &web.AffectedQuery{ID: Finding(0).ID})
			return err
		}},
		{"Overview", false, func(ctx context.Context, s *store.Store) error {
			_, err := s.Overview(ctx, &web.OverviewQuery{Now: when()})
			return err
		}},
		{"ImagesAtRisk", false, func(ctx context.Context, s *store.Store) error {
			_, _, err := s.ImagesAtRisk(ctx, &web.RiskQuery{})
			return err
		}},
	}
}

// must fails the test for an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// equal compares two values deeply and shows both as JSON.
func equal(t *testing.T, what string, got, want any) {
	t.Helper()
	if reflect.DeepEqual(got, want) {
		return
	}
	gotJSON, gotErr := json.Marshal(got)
	wantJSON, wantErr := json.Marshal(want)
	t.Errorf("%s:\n got %s %v\nwant %s %v", what, gotJSON, gotErr, wantJSON, wantErr)
}

// complete fails the test when a field of a sample struct is zero: a field that is added to a type of which each field has its
// column must be stored as well. Types that are stored whole, as JSON, need no such care.
func complete(t *testing.T, sample any) {
	t.Helper()
	value := reflect.ValueOf(sample)
	for i := range value.NumField() {
		if value.Field(i).IsZero() {
			t.Errorf("the sample %T has no %s, so nothing would show that it is stored", sample, value.Type().Field(i).Name)
		}
	}
}

// utc fails the test for a time in another zone.
func utc(t *testing.T, at time.Time) {
	t.Helper()
	if at.Location() != time.UTC {
		t.Errorf("%v is not in UTC", at)
	}
}
