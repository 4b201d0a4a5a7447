-- One row per row of any report, and per mail of any program, that tells an account: how it was known then.
with

grade_report_rows as (
    select * from {{ ref('stg_edx__grade_report_rows') }}
),

profile_report_rows as (
    select * from {{ ref('stg_edx__profile_report_rows') }}
),

mails as (
    select * from {{ ref('stg_mailing__mails') }}
),

all_mentions as (
    select
        student_id,
        username,
        email
    from grade_report_rows
    union all
    select
        student_id,
        username,
        email
    from profile_report_rows
    union all
    select
        student_id,
        null as username,
        email
    from mails
),

final as (
    select
        student_id,
        lower(trim(username)) as username,
        lower(trim(email)) as email
    from all_mentions
    where student_id is not null
)

select * from final
