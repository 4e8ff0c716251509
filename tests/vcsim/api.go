package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// The newer form of REST, below /api: ours, not VMware's. The simulator knows the older one only, below /rest/com/vmware; so calls
// are translated there, and answers back. Addresses, actions and which parameter is the whole body are those in the metadata of
// VMware's Python bindings (vmware-vcenter 8.0.3.0, OperationRestMetadata).

// operation is one that is translated: {id} in the address is any one part.
type operation struct {
	method  string
	path    string // below /api
	action  string // what ?action= tells
	query   string // a parameter that must be there
	body    string // the parameter that the body is, all of it; empty: the body names its parameters itself
	maps    string // where in the body a map is
	rest    string // the address of the older form; {0} is the first id
	restVia string // the HTTP method there, if it is another
}

const (
	tagging = restPrefix + "cis/tagging/"
	content = restPrefix + "content/"
	item    = content + "library/item"
)

var operations = []operation{
	{method: "POST", path: "session", rest: restSession},
	{method: "GET", path: "session", rest: restSession + "?~action=get", restVia: "POST"},
	{method: "DELETE", path: "session", rest: restSession},

	{method: "POST", path: "cis/tagging/category", body: "create_spec", rest: tagging + "category"},
	{method: "GET", path: "cis/tagging/category", rest: tagging + "category"},
	{method: "GET", path: "cis/tagging/category/{id}", rest: tagging + "category/id:{0}"},
	{method: "PATCH", path: "cis/tagging/category/{id}", body: "update_spec", rest: tagging + "category/id:{0}"},
	{method: "DELETE", path: "cis/tagging/category/{id}", rest: tagging + "category/id:{0}"},
	{method: "POST", path: "cis/tagging/tag", body: "create_spec", rest: tagging + "tag"},
	{method: "POST", path: "cis/tagging/tag", action: "list-tags-for-category", rest: tagging + "tag/id:{category_id}?~action=list-tags-for-category"},
	{method: "GET", path: "cis/tagging/tag", rest: tagging + "tag"},
	{method: "GET", path: "cis/tagging/tag/{id}", rest: tagging + "tag/id:{0}"},
	{method: "PATCH", path: "cis/tagging/tag/{id}", body: "update_spec", rest: tagging + "tag/id:{0}"},
	{method: "DELETE", path: "cis/tagging/tag/{id}", rest: tagging + "tag/id:{0}"},
	{method: "POST", path: "cis/tagging/tag-association/{id}", action: "*", rest: tagging + "tag-association/id:{0}?~action={action}"},
	{method: "POST", path: "cis/tagging/tag-association", action: "*", rest: tagging + "tag-association?~action={action}"},

	{method: "GET", path: "content/library", rest: content + "library"},
	{method: "POST", path: "content/library", action: "find", body: "spec", rest: content + "library?~action=find"},
	{method: "GET", path: "content/library/item", query: "library_id", rest: item + "?library_id={library_id}"},
	{method: "GET", path: "content/library/{id}", rest: content + "library/id:{0}"},
	{method: "PATCH", path: "content/library/{id}", body: "update_spec", rest: content + "library/id:{0}"},
	{method: "GET", path: "content/local-library", rest: content + "local-library"},
	{method: "POST", path: "content/local-library", body: "create_spec", rest: content + "local-library"},
	{method: "GET", path: "content/local-library/{id}", rest: content + "local-library/id:{0}"},
	{method: "PATCH", path: "content/local-library/{id}", body: "update_spec", rest: content + "local-library/id:{0}"},
	{method: "DELETE", path: "content/local-library/{id}", rest: content + "local-library/id:{0}"},
	{method: "POST", path: "content/local-library/{id}", action: "publish", rest: content + "local-library/id:{0}?~action=publish"},

	{method: "POST", path: "content/library/item", body: "create_spec", rest: item},
	{method: "POST", path: "content/library/item", action: "find", body: "spec", rest: item + "?~action=find"},
	{method: "POST", path: "content/library/item/update-session", body: "create_spec", rest: item + "/update-session"},
	{method: "GET", path: "content/library/item/update-session", rest: item + "/update-session"},
	{method: "GET", path: "content/library/item/update-session/{id}", rest: item + "/update-session/id:{0}"},
	{method: "DELETE", path: "content/library/item/update-session/{id}", rest: item + "/update-session/id:{0}"},
	{method: "POST", path: "content/library/item/update-session/{id}", action: "*", rest: item + "/update-session/id:{0}?~action={action}"},
	{method: "POST", path: "content/library/item/update-session/{id}/file", body: "file_spec", rest: item + "/updatesession/file/id:{0}?~action=add"},
	{method: "POST", path: "content/library/item/update-session/{id}/file", action: "validate", rest: item + "/updatesession/file/id:{0}?~action=validate"},
	{method: "GET", path: "content/library/item/update-session/{id}/file", rest: item + "/updatesession/file/id:{0}?~action=list", restVia: "POST"},
	{method: "GET", path: "content/library/item/update-session/{id}/file/{id}", rest: item + "/updatesession/file/id:{0}?~action=get&file_name={1}", restVia: "POST"},
	{method: "DELETE", path: "content/library/item/update-session/{id}/file/{id}", rest: item + "/updatesession/file/id:{0}?~action=remove&file_name={1}", restVia: "POST"},
	{method: "POST", path: "content/library/item/download-session", body: "create_spec", rest: item + "/download-session"},
	{method: "GET", path: "content/library/item/download-session/{id}", rest: item + "/download-session/id:{0}"},
	{method: "DELETE", path: "content/library/item/download-session/{id}", rest: item + "/download-session/id:{0}"},
	{method: "POST", path: "content/library/item/download-session/{id}", action: "*", rest: item + "/download-session/id:{0}?~action={action}"},
	{method: "GET", path: "content/library/item/download-session/{id}/file", query: "file_name", rest: item + "/downloadsession/file/id:{0}?~action=get&file_name={file_name}", restVia: "POST"},
	{method: "GET", path: "content/library/item/download-session/{id}/file", rest: item + "/downloadsession/file?download_session_id={0}"},
	{method: "POST", path: "content/library/item/download-session/{id}/file", action: "prepare", rest: item + "/downloadsession/file/id:{0}?~action=prepare"},
	{method: "GET", path: "content/library/item/{id}", rest: item + "/id:{0}"},
	{method: "PATCH", path: "content/library/item/{id}", body: "update_spec", rest: item + "/id:{0}"},
	{method: "DELETE", path: "content/library/item/{id}", rest: item + "/id:{0}"},
	{method: "POST", path: "content/library/item/{id}", action: "copy", body: "destination_create_spec", rest: item + "/id:{0}?~action=copy"},
	{method: "GET", path: "content/library/item/{id}/file", query: "name", rest: item + "/file/id:{0}?~action=get&name={name}", restVia: "POST"},
	{method: "GET", path: "content/library/item/{id}/file", rest: item + "/file?library_item_id={0}"},

	{method: "POST", path: "vcenter/ovf/library-item", rest: restPrefix + "vcenter/ovf/library-item"},
	{method: "POST", path: "vcenter/ovf/library-item/{id}", action: "*", maps: "deployment_spec.network_mappings", rest: restPrefix + "vcenter/ovf/library-item/id:{0}?~action={action}"},
	{method: "POST", path: "vcenter/vm-template/library-items", body: "spec", rest: "/rest/vcenter/vm-template/library-items"},
	{method: "POST", path: "vcenter/vm-template/library-items/{id}", action: "deploy", body: "spec", maps: "spec.hardware_customization.nics", rest: "/rest/vcenter/vm-template/library-items/{0}?action=deploy"},
	{method: "GET", path: "vcenter/vm-template/library-items/{id}", rest: "/rest/vcenter/vm-template/library-items/{0}"},
}

// matches gives the ids in a path, or nil if the operation is another one.
func (o *operation) matches(r *http.Request, parts []string) []string {
	pattern := strings.Split(o.path, "/")
	query := r.URL.Query()
	action := query.Get("action")
	if o.method != r.Method || len(pattern) != len(parts) || (o.action != action && !(o.action == "*" && action != "")) {
		return nil
	}
	if o.query != "" && !query.Has(o.query) {
		return nil
	}
	ids := []string{}
	for i, part := range pattern {
		switch {
		case part == "{id}":
			ids = append(ids, parts[i])
		case part != parts[i]:
			return nil
		}
	}
	return ids
}

// translate turns a call into one of the older form; nil if there is none.
func translate(r *http.Request, body []byte) (*operation, error) {
	parts := strings.Split(strings.TrimPrefix(r.URL.Path, "/api/"), "/")
	for i := range operations {
		o := &operations[i]
		ids := o.matches(r, parts)
		if ids == nil {
			continue
		}
		var named map[string]json.RawMessage
		if len(body) != 0 {
			if err := json.Unmarshal(body, &named); err != nil {
				return nil, fmt.Errorf("the body is no JSON object: %w", err)
			}
		}
		target, query, _ := strings.Cut(o.rest, "?")
		fill := func(text string, escape func(string) string) string {
			for at, id := range ids {
				text = strings.ReplaceAll(text, fmt.Sprintf("{%d}", at), escape(id))
			}
			for name, values := range r.URL.Query() {
				text = strings.ReplaceAll(text, "{"+name+"}", escape(values[0]))
			}
			for name, raw := range named {
				var value string
				if json.Unmarshal(raw, &value) == nil {
					text = strings.ReplaceAll(text, "{"+name+"}", escape(value))
				}
			}
			return text
		}
		asked, err := url.ParseQuery(fill(query, url.QueryEscape))
		if err != nil {
			return nil, err
		}
		// What a GET tells in its address, the older form tells in a body.
		if o.restVia == http.MethodPost {
			inner := map[string]string{}
			for name := range asked {
				if name != "~action" {
					inner[name] = asked.Get(name)
					asked.Del(name)
				}
			}
			body, _ = json.Marshal(inner)
		}
		if o.body != "" {
			for _, wrapped := range []string{"create_spec", "update_spec", "file_spec", "spec"} {
				if named[wrapped] != nil && len(named) == 1 {
					return nil, fmt.Errorf("the body of %s is not wrapped into %q", r.URL.Path, wrapped)
				}
			}
			body, _ = json.Marshal(map[string]json.RawMessage{o.body: body})
		}
		if o.maps != "" {
			body = asPairs(body, o.maps)
		}
		if o.method == http.MethodPost && len(body) == 0 {
			// The simulator reads a body wherever there may be one.
			body = []byte("{}")
		}
		r.URL.Path, r.URL.RawPath = fill(target, func(id string) string { return id }), ""
		r.URL.RawQuery = asked.Encode()
		if o.restVia != "" {
			r.Method = o.restVia
		}
		replaceBody(r, body)
		return o, nil
	}
	return nil, nil
}

// untranslate turns an answer of the older form into the newer one: bare values, errors of its own.
func (o *operation) untranslate(answer *http.Response, text []byte) []byte {
	answer.Header.Set("Content-Type", "application/json")
	if answer.StatusCode >= 300 {
		var old struct {
			Type string `json:"type"`
		}
		kind := strings.ToUpper(strings.ReplaceAll(http.StatusText(answer.StatusCode), " ", "_"))
		message := strings.TrimSpace(string(text))
		if json.Unmarshal(text, &old) == nil && old.Type != "" {
			kind = strings.ToUpper(strings.TrimPrefix(old.Type, "com.vmware.vapi.std.errors."))
		}
		return errorBody(true, kind, message)
	}
	var told struct {
		Value json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(text, &told); err != nil || len(told.Value) == 0 {
		if answer.Request.Method == http.MethodGet || o.method == http.MethodGet || strings.HasPrefix(o.action, "list") || o.action == "find" {
			// The simulator leaves empty lists out.
			return []byte("[]")
		}
		answer.StatusCode = http.StatusNoContent
		return nil
	}
	if o.method == http.MethodPost && o.action == "" {
		answer.StatusCode = http.StatusCreated
	}
	return told.Value
}
