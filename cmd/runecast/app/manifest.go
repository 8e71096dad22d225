package app

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/runecast/runecast/pkg/admission"
)

const maxManifest = 64 << 20 // bytes

// readRequests makes a request of each object in a file.
func readRequests(stdin io.Reader, name string) ([]admission.Request, error) {
	in := stdin
	if name != "-" {
		file, err := os.Open(name) //nolint:gosec // the user names the file
		if err != nil {
			return nil, fmt.Errorf("read the manifest: %w", err)
		}
		defer file.Close()
		in = file
	}
	body, err := io.ReadAll(io.LimitReader(in, maxManifest+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(body) > maxManifest {
		return nil, fmt.Errorf("read %s: it is larger than %d bytes", name, maxManifest)
	}
	var requests []admission.Request
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(body)))
	for i := 1; ; i++ {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read document %d of %s: %w", i, name, err)
		}
		found, err := requestsOf(document)
		if err != nil {
			return nil, fmt.Errorf("document %d of %s: %w", i, name, err)
		}
		requests = append(requests, found...)
	}
	if len(requests) == 0 {
		return nil, fmt.Errorf("%s holds no object", name)
	}
	return requests, nil
}

// objectJSON is the part of any object that tells what it is.
type objectJSON struct {
	APIVersion string           `json:"apiVersion"`
	Kind       string           `json:"kind"`
	Items      []jsontext.Value `json:"items"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
}

// requestsOf turns a document into requests: an AdmissionReview is one already, a list has one for each of its items.
func requestsOf(document []byte) ([]admission.Request, error) {
	body, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return nil, fmt.Errorf("it is no YAML: %w", err)
	}
	if string(bytes.TrimSpace(body)) == "null" {
		return nil, nil
	}
	var object objectJSON
	if err := json.Unmarshal(body, &object); err != nil {
		return nil, fmt.Errorf("it is no Kubernetes object: %w", err)
	}
	switch {
	case object.Kind == "" || object.APIVersion == "":
		return nil, errors.New("it is no Kubernetes object: kind or apiVersion is missing")
	case object.Kind == "AdmissionReview":
		request, _, err := admission.DecodeReview(body)
		if err != nil {
			return nil, fmt.Errorf("it is no AdmissionReview: %w", err)
		}
		return []admission.Request{request}, nil
	case strings.HasSuffix(object.Kind, "List") && object.Items != nil:
		var all []admission.Request
		for i, item := range object.Items {
			found, err := requestsOf(item)
			if err != nil {
				return nil, fmt.Errorf("item %d: %w", i+1, err)
			}
			all = append(all, found...)
		}
		return all, nil
	}
	group, _, found := strings.Cut(object.APIVersion, "/")
	if !found {
		group = "" // the core group has none in its apiVersion
	}
	return []admission.Request{request(group, &object, body)}, nil
}

func request(group string, object *objectJSON, body []byte) admission.Request {
	return admission.Request{
		UID: "local", Group: group, Kind: object.Kind, Namespace: object.Metadata.Namespace, Name: object.Metadata.Name,
		Operation: "CREATE", User: "local", DryRun: true, Object: body,
	}
}
