package main

import (
	"net/http"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

const (
	soapCookie   = "vmware_soap_session"
	ticketCookie = "vmware_cgi_ticket"
	restHeader   = "vmware-api-session-id"
)

// sessions knows who is logged in. Ours, not VMware's: the simulator lets go anybody at datastores' files, takes any password
// at REST's door, and cannot end all sessions at once.
type sessions struct {
	mu      sync.Mutex
	soap    map[string]bool
	rest    map[string]bool
	tickets map[string]bool
}

func newSessions() *sessions {
	return &sessions{soap: map[string]bool{}, rest: map[string]bool{}, tickets: map[string]bool{}}
}

func (s *sessions) add(set map[string]bool, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	set[key] = true
}

func (s *sessions) remove(set map[string]bool, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(set, key)
}

// expire ends all of them.
func (s *sessions) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.soap, s.rest, s.tickets = map[string]bool{}, map[string]bool{}, map[string]bool{}
}

func (s *sessions) soapKey(r *http.Request) string {
	if cookie, err := r.Cookie(soapCookie); err == nil {
		return cookie.Value
	}
	return ""
}

func (s *sessions) restKey(r *http.Request) string {
	if key := r.Header.Get(restHeader); key != "" {
		return key
	}
	if cookie, err := r.Cookie(restHeader); err == nil {
		return cookie.Value
	}
	return ""
}

func (s *sessions) hasSoap(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.soap[s.soapKey(r)]
}

func (s *sessions) hasRest(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rest[s.restKey(r)]
}

// hasFiles is for /folder: the cookie of a login, or a ticket, which is good for one request.
func (s *sessions) hasFiles(r *http.Request) bool {
	if s.hasSoap(r) {
		return true
	}
	cookie, err := r.Cookie(ticketCookie)
	if err != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.tickets[cookie.Value]
	delete(s.tickets, cookie.Value)
	return held
}

// notAuthenticated is what vCenter says of a call without a session.
func notAuthenticated(w http.ResponseWriter, object types.ManagedObjectReference) {
	refuse(w, "The session is not authenticated.", &types.NotAuthenticated{
		NoPermission: types.NoPermission{Object: object, PrivilegeId: "System.View"},
	})
}
