import { deployEnvironments } from './viewkeeper-stack.ts'

// This repository is deployed as a team's folder is: by what viewkeeper.config.ts says.
await deployEnvironments()
