package pkg

import (
	_ "github.com/awslabs/amazon-ecr-credential-helper/ecr-login"
	_ "github.com/chrismellard/docker-credential-acr-env/pkg/credhelper"
	_ "github.com/containerd/stargz-snapshotter/estargz"
	_ "github.com/containerd/stargz-snapshotter/estargz/zstdchunked"
	_ "github.com/google/go-containerregistry/pkg/authn/kubernetes"
	_ "github.com/google/go-containerregistry/pkg/v1/google"
	_ "github.com/google/osv-scalibr/extractor/filesystem/language/rust/cargoauditable"
	_ "k8s.io/client-go/kubernetes"
)
