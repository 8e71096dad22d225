package ui

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/runecast/runecast/pkg/auth"
)

const usersPath = "/users"

type userPage struct {
	Rows     []auth.User
	Roles    []auth.Role
	Name     string // of the user who was just given a password
	Password string
}

func (s *server) users(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	return s.showUsers(w, r, view{User: user}, http.StatusOK, userPage{})
}

func (s *server) showUsers(w http.ResponseWriter, r *http.Request, v view, code int, page userPage) error { //nolint:gocritic // hugeParam: written in place by callers
	list, err := s.Store.Users(r.Context())
	if err != nil {
		return fmt.Errorf("list users: %w", err)
	}
	page.Rows, page.Roles = list, auth.Roles()
	v.Title, v.Data = "Users", page
	s.render(w, code, "users", v)
	return nil
}

// refuseUser shows why a change of a user is refused, or passes a fault on.
func (s *server) refuseUser(w http.ResponseWriter, r *http.Request, user *auth.User, err error) error {
	request, refused := errors.AsType[*auth.RequestError](err)
	code := http.StatusUnprocessableEntity
	switch {
	case refused:
		err = request
	case errors.Is(err, auth.ErrUserExists):
		code, err = http.StatusConflict, auth.ErrUserExists
	case errors.Is(err, auth.ErrLastAdministrator):
		code, err = http.StatusConflict, auth.ErrLastAdministrator
	case errors.Is(err, auth.ErrNoUser):
		code, err = http.StatusNotFound, auth.ErrNoUser
	default:
		return err
	}
	return s.showUsers(w, r, view{User: user, Notice: sentence(err)}, code, userPage{})
}

func (s *server) createUser(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	name, role := r.PostForm.Get("name"), auth.Role(r.PostForm.Get("role"))
	password, err := auth.AddUser(r.Context(), s.Store, name, role, "")
	if err != nil {
		return s.refuseUser(w, r, user, err)
	}
	s.audit(r, user, "user created", name, map[string]any{"role": role})
	return s.showUsers(w, r, view{User: user}, http.StatusOK, userPage{Name: name, Password: password})
}

func (s *server) changeRole(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	if err := r.ParseForm(); err != nil {
		return badForm(err)
	}
	name, role := r.PathValue("name"), auth.Role(r.PostForm.Get("role"))
	if err := auth.ChangeRole(r.Context(), s.Store, name, role); err != nil {
		return s.refuseUser(w, r, user, err)
	}
	s.audit(r, user, "role changed", name, map[string]any{"role": role})
	http.Redirect(w, r, usersPath, http.StatusSeeOther)
	return nil
}

// resetPassword gives another user a one-time password. One's own is changed at its page, which asks for the one of now.
func (s *server) resetPassword(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	name := r.PathValue("name")
	if name == user.Name {
		return problem{http.StatusUnprocessableEntity, "Change your own password at its page."}
	}
	password, err := auth.ResetPassword(r.Context(), s.Store, name)
	if err != nil {
		return s.refuseUser(w, r, user, err)
	}
	s.audit(r, user, "password reset", name, nil)
	return s.showUsers(w, r, view{User: user}, http.StatusOK, userPage{Name: name, Password: password})
}

// deleteUser deletes another user: who deletes themselves would not see what came of it.
func (s *server) deleteUser(w http.ResponseWriter, r *http.Request, user *auth.User) error {
	name := r.PathValue("name")
	if name == user.Name {
		return problem{http.StatusUnprocessableEntity, "Nobody deletes themselves: another administrator can."}
	}
	found, err := s.Store.DeleteUser(r.Context(), name)
	if err != nil {
		return s.refuseUser(w, r, user, err)
	}
	if !found {
		return problem{http.StatusNotFound, "There is no user of that name."}
	}
	s.audit(r, user, "user deleted", name, nil)
	http.Redirect(w, r, usersPath, http.StatusSeeOther)
	return nil
}
