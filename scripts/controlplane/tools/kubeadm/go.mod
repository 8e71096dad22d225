module github.com/runecast/runecast/scripts/controlplane/tools/kubeadm

go 1.26.8
