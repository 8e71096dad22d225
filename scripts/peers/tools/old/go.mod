module github.com/runecast/runecast/scripts/peers/tools/old

go 1.20

require (
	github.com/dgrijalva/jwt-go v3.2.0+incompatible
	github.com/gogo/protobuf v1.3.1
	golang.org/x/crypto v0.0.0-20200622213623-75b288015ac9
	golang.org/x/net v0.0.0-20210226172049-e18ecbb05110
	golang.org/x/text v0.3.5
	gopkg.in/yaml.v2 v2.2.2
)

require golang.org/x/sys v0.0.0-20201119102817-f84b799fce68 // indirect

replace golang.org/x/text => golang.org/x/text v0.3.2
