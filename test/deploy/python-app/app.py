"""An app in Python beside an environment that `viewkeeper.config.ts` deploys: it finds the environment by its parameter."""

import os

import aws_cdk as cdk
from aws_cdk import aws_iam as iam, aws_lambda as lambda_, aws_sns as sns, aws_sns_subscriptions as subscriptions, aws_ssm as ssm


def address(stack: cdk.Stack, environment: str):
    """What the parameter of the environment says. CloudFormation reads it at each deploy of this stack."""
    keys = ["apiUrl", "apiArn", "migrateArn", "mailTopicArn", "noticesTopicArn", "eventBus"]
    said = ssm.StringListParameter.value_for_typed_list_parameter(stack, f"/viewkeeper/{environment}")
    return {key: cdk.Fn.select(at, said) for at, key in enumerate(keys)}


app = cdk.App(outdir=os.environ.get("CDK_OUTDIR"))
stack = cdk.Stack(app, "Reports")
views = address(stack, "production")

reports = lambda_.Function(
    stack,
    "Nightly",
    runtime=lambda_.Runtime.PYTHON_3_13,
    handler="index.handler",
    code=lambda_.Code.from_inline("def handler(event, context): print(event)"),
    environment={"VIEWKEEPER_URL": views["apiUrl"]},
)
# May read the views, and refresh them: requests are signed with the role of the function.
for route in ["GET/views", "GET/views/*", "GET/runs/*", "POST/views/*/refresh"]:
    reports.add_to_role_policy(
        iam.PolicyStatement(actions=["execute-api:Invoke"], resources=[f"{views['apiArn']}/{route}"])
    )
# Hears what people are told, as JSON.
notices = sns.Topic.from_topic_arn(stack, "Notices", views["noticesTopicArn"])
notices.add_subscription(subscriptions.LambdaSubscription(reports))

app.synth()
