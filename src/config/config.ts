import type { ServeOptions } from './options.ts'

/** How commands with `--env` reach an environment on AWS. */
export interface EnvironmentConfig {
  /** The AWS region. Default: that of your credentials. */
  region?: string
  /** The profile of your AWS credentials, unless `AWS_PROFILE` names one. Default: as the AWS SDK finds them. */
  profile?: string
}

/** What `viewkeeper.config.ts` says. The file is in the folder where the command is called. */
export interface Config {
  /** Folders, relative to the file. */
  folders?: {
    /** The definitions of views. Default `views`. */
    views?: string
    /** The frozen migrations. Default `migrations`. */
    migrations?: string
  }
  /** The environments on AWS, by name. What they are stands in the CDK app. Default: none. */
  environments?: Record<string, EnvironmentConfig>
  /** What `npx viewkeeper serve` obeys. Default: every view is refreshed each night. */
  serve?: ServeOptions
}

/** Gives a configuration its type. Nothing is checked here: what loads the file reports all mistakes together. */
export const defineConfig = (config: Config): Config => config
