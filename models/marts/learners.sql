-- One row per learner whom any used report names.
{{ config(materialized='incremental', pre_hook="{{ delete_where(is_touched('student_id')) }}") }}

-- nothing is built on files that cannot be read
-- depends_on: {{ ref('int_report_problems') }}

with

report_rows as (
    select * from {{ ref('int_report_rows') }}
    where is_usable and {{ is_touched('student_id') }}
),

report_files as (
    select * from {{ ref('int_report_files_judged') }}
),

carried_over_rows as (
    select * from {{ ref('int_carried_over_rows') }}
),

retired_elsewhere as (
    select * from {{ source('mailing', 'retired_elsewhere') }}
),

ranked_files as (
    select
        file_id,
        stamp_rank,
        -- a username is as a profile tells it, where any does
        row_number() over (order by report_kind = 'student_profile_info', stamp_rank) as profile_rank,
        -- what tells that an account is retired goes before all else
        max(stamp_rank) over () + stamp_rank as retired_rank,
        status = 'used' as is_used
    from report_files
    where status in ('used', 'superseded')
),

mentions as (
    select
        report_rows.*,
        ranked_files.stamp_rank,
        ranked_files.is_used or carried_over_rows.file_id is not null as counts,
        if(
            {{ is_retired_username('report_rows.username') }},
            ranked_files.retired_rank,
            ranked_files.profile_rank
        ) as username_rank,
        if(
            {{ is_retired_email('report_rows.email') }}, ranked_files.retired_rank, ranked_files.stamp_rank
        ) as email_rank
    from report_rows
    inner join ranked_files on report_rows.file_id = ranked_files.file_id
    left join carried_over_rows
        on
            report_rows.file_id = carried_over_rows.file_id
            and report_rows.student_id = carried_over_rows.learner_id
),

told as (
    select
        student_id,
        {{ newest('username', 'username_rank') }} as username,
        {{ newest('email', 'email_rank') }} as email,
        -- profiles alone tell these
        {{ newest('name', 'stamp_rank') }} as name,
        {{ newest('country', 'stamp_rank') }} as country,
        min(reported_at) as first_reported_at,
        max(reported_at) as last_reported_at
    from mentions
    group by student_id
    -- whom only superseded downloads name is no learner of the program any more
    having bool_or(counts)
),

judged as (
    select
        told.*,
        {{ is_retired_username('username') }} as has_retired_username,
        {{ is_retired_email('email') }} as has_retired_email,
        has_retired_username or has_retired_email or retired_elsewhere.student_id is not null as is_retired
    from told
    left join retired_elsewhere on told.student_id = retired_elsewhere.student_id
),

-- of a retired account nothing is kept that tells who it was
final as (
    select
        student_id,
        if(is_retired and not has_retired_username, null, username) as username,
        if(is_retired and not has_retired_email, null, email) as email,
        if(is_retired, null, name) as name,
        if(is_retired, null, country) as country,
        is_retired,
        first_reported_at,
        last_reported_at
    from judged
)

select * from final
