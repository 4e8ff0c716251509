package main

import (
	"net/http"
	"sync"

	"github.com/vmware/govmomi/vim25/types"
)

// denied is what the fixture's user may not do: privileges by the name of the type of object. Ours, not VMware's: the simulator grants
// everything.
type denied struct {
	mu     sync.Mutex
	byKind map[string]map[string]bool
}

func (f *fixture) adminDeny(w http.ResponseWriter, r *http.Request) {
	var body map[string][]string
	if !take(w, r, &body) {
		return
	}
	f.denied.mu.Lock()
	defer f.denied.mu.Unlock()
	f.denied.byKind = map[string]map[string]bool{}
	for kind, privileges := range body {
		f.denied.byKind[kind] = map[string]bool{}
		for _, privilege := range privileges {
			f.denied.byKind[kind][privilege] = true
		}
	}
	reply(w, nil)
}

func (f *fixture) hasPrivileges(w http.ResponseWriter, req *types.HasPrivilegeOnEntities) {
	f.denied.mu.Lock()
	defer f.denied.mu.Unlock()
	var response types.HasPrivilegeOnEntitiesResponse
	for _, entity := range req.Entity {
		one := types.EntityPrivilege{Entity: entity}
		for _, id := range req.PrivId {
			granted := !f.denied.byKind[entity.Type][id]
			one.PrivAvailability = append(one.PrivAvailability, types.PrivilegeAvailability{PrivId: id, IsGranted: granted})
		}
		response.Returnval = append(response.Returnval, one)
	}
	respond(w, &response)
}
