package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

const (
	envelopeBegin = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<soapenv:Envelope xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/"` +
		` xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"` +
		` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body>`
	envelopeEnd = `</soapenv:Body></soapenv:Envelope>`
)

var typeOf = types.TypeFunc()

// decode reads a call into govmomi's types. Types may have a prefix, which clients choose.
func decode(body []byte) (*simulator.Method, error) {
	return simulator.UnmarshalBody(func(name string) (reflect.Type, bool) {
		if t, ok := typeOf(name); ok {
			return t, true
		}
		return typeOf(name[strings.LastIndexByte(name, ':')+1:])
	}, body)
}

// element is a value under a name in vim25's name space; kind is the xsi:type, if it must be told.
func element(name, kind string, value interface{}) ([]byte, error) {
	start := xml.StartElement{Name: xml.Name{Local: name}}
	start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: "xmlns"}, Value: "urn:vim25"})
	if kind != "" {
		start.Attr = append(start.Attr, xml.Attr{Name: xml.Name{Local: "xsi:type"}, Value: kind})
	}
	var out bytes.Buffer
	encoder := xml.NewEncoder(&out)
	if err := encoder.EncodeElement(value, start); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Flush()
}

// respond answers a call with a value of one of govmomi's types ...Response.
func respond(w http.ResponseWriter, response interface{}) {
	inner, err := element(reflect.TypeOf(response).Elem().Name(), "", response)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	write(w, http.StatusOK, inner)
}

func write(w http.ResponseWriter, status int, inner []byte) {
	w.Header().Set("Content-Type", `text/xml; charset="utf-8"`)
	w.WriteHeader(status)
	_, _ = w.Write([]byte(envelopeBegin))
	_, _ = w.Write(inner)
	_, _ = w.Write([]byte(envelopeEnd))
}

// refuse answers a call with a fault, as vCenter does: status 500, the fault as the detail.
func refuse(w http.ResponseWriter, message string, fault types.BaseMethodFault) {
	kind := reflect.TypeOf(fault).Elem().Name()
	detail, err := element(kind+"Fault", kind, fault)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	var text bytes.Buffer
	_ = xml.EscapeText(&text, []byte(message))
	inner := fmt.Sprintf("<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring><detail>%s</detail></soapenv:Fault>", text.Bytes(), detail)
	write(w, http.StatusInternalServerError, []byte(inner))
}

// faultSpec is a fault as tests name it: its type, and its fields by their names in vim25.
type faultSpec struct {
	Type    string          `json:"type"`
	Message string          `json:"message"`
	Fields  json.RawMessage `json:"fields"`
}

func (s *faultSpec) fault() (types.BaseMethodFault, error) {
	kind, ok := typeOf(s.Type)
	if !ok {
		return nil, fmt.Errorf("vim25 has no type %q", s.Type)
	}
	value := reflect.New(kind).Interface()
	fault, ok := value.(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("%q is no fault", s.Type)
	}
	if len(s.Fields) != 0 {
		if err := json.Unmarshal(s.Fields, value); err != nil {
			return nil, err
		}
	}
	return fault, nil
}
