package auth

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors of a login.
var (
	ErrBadLogin  = errors.New("the name or the password is wrong")
	ErrThrottled = errors.New("too many attempts: wait a quarter of an hour, or use a browser in which you have logged in before")
	ErrBusy      = errors.New("too many people log in just now: try again")
)

// Attempt is an attempt to log in with a password.
type Attempt struct {
	Name, Password string
	Address        string // from which it comes
	Device         string // what an earlier Login gave this browser; "" where none did
	Emergency      bool   // only local administrators may: everybody else logs in by the provider
}

// Login is what comes of an attempt.
type Login struct {
	Session string // the id of the new session, always a new one
	Device  string // for the browser to keep, and to send with its next attempts
	User    *User
}

// Login checks a password and begins a session. ErrBadLogin tells neither that a name is known nor that it is not; ErrThrottled comes
// after too many attempts; ErrBusy when too many passwords wait to be hashed.
func (s *Sessions) Login(ctx context.Context, attempt *Attempt) (*Login, error) {
	user, err := s.check(ctx, attempt)
	if err != nil {
		return nil, err
	}
	if attempt.Emergency && user.Role != RoleAdministrator {
		return nil, ErrBadLogin
	}
	if err = s.store.SeeUser(ctx, user.Name, user.Role, s.now().UTC().Truncate(time.Microsecond)); err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	id, err := s.begin(ctx, user)
	if err != nil {
		return nil, err
	}
	return &Login{Session: id, Device: newDevice(user), User: user}, nil
}

// KeepRefusal tells whether the audit log is to keep one more refused login: what nobody had to log in for must not fill the database.
func (s *Sessions) KeepRefusal() bool { return s.gate.refusals.take("", refusalsKept, s.now()) }

// check gives the user whose name and password these are.
func (s *Sessions) check(ctx context.Context, a *Attempt) (*User, error) {
	name, password := a.Name, a.Password
	if CheckUserName(name) != nil || len(password) > maxPassword {
		name, password = "", ""
	}
	device := ""
	if a.Device != "" && len(a.Device) <= maxSecret { // only then is it worth a look before the attempt is counted
		user, err := s.user(ctx, name)
		if err != nil {
			return nil, err
		}
		device = deviceOf(user, a.Device)
	}
	if !s.gate.admit(name, a.Address, device, s.now()) {
		return nil, ErrThrottled
	}
	user, err := s.user(ctx, name)
	if err != nil {
		return nil, err
	}
	hash := s.gate.nobody
	if user != nil && user.Source == SourceLocal {
		hash = user.Password
	}
	right, err := s.gate.verify(ctx, hash, password, device != "")
	switch {
	case errors.Is(err, ErrBusy):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("log in: %w", err)
	case user == nil || user.Source != SourceLocal || !right:
		return nil, ErrBadLogin
	}
	s.gate.passed(name, a.Address, device)
	return user, nil
}

func (s *Sessions) user(ctx context.Context, name string) (*User, error) {
	user, err := s.store.User(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("log in: %w", err)
	}
	return user, nil
}

// ChangePassword replaces a user's own password, which is that of the attempt, and ends all their sessions. ErrBadLogin, ErrThrottled and
// ErrBusy as for Login, ErrNoUser for a user of a provider; a *RequestError for a new password that cannot be.
func (s *Sessions) ChangePassword(ctx context.Context, attempt *Attempt, password string) error {
	if _, err := s.check(ctx, attempt); err != nil {
		return err
	}
	problem := checkPassword(password)
	if problem == nil && password == attempt.Password {
		problem = errors.New("choose another password than the one before")
	}
	if err := requestError(problem); err != nil {
		return err
	}
	found, err := s.store.SetPassword(ctx, attempt.Name, HashPassword(password), false)
	if err == nil && !found {
		err = ErrNoUser
	}
	if err != nil {
		return fmt.Errorf("change the password: %w", err)
	}
	return nil
}
