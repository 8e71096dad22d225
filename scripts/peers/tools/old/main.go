// Command old is a program with old, vulnerable modules in it, for programs that look at images to find. It has a module of a
// pseudo-version, one of a version without a go.mod (+incompatible), and one that is replaced.
package main

import (
	"fmt"

	"github.com/dgrijalva/jwt-go"
	"github.com/gogo/protobuf/proto"
	"golang.org/x/crypto/ssh"
	"golang.org/x/net/html"
	"golang.org/x/text/language"
	"gopkg.in/yaml.v2"
)

func main() { // all that matters is that they are linked
	fmt.Println(jwt.SigningMethodNone, proto.NewBuffer(nil), ssh.KeyAlgoRSA, html.EscapeString(""), language.English)
	fmt.Println(yaml.Marshal(1))
}
