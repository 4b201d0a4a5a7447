-- One row per record of edX's opt-in lists; a record that does not say who or when is left out, as no opt-in.
with

email_opt_in as (
    select * from {{ source('edx', 'email_opt_in') }}
),

report_files as (
    select * from {{ source('edx', 'report_files') }}
),

final as (
    select
        email_opt_in.file_id,
        email_opt_in.line,
        report_files.file_name,
        lower(trim(email_opt_in.email)) as email,
        email_opt_in.course_id,
        lower(email_opt_in.is_opted_in_for_email) in ('true', 't', '1') as is_opted_in_for_email,
        {{ utc_timestamp('email_opt_in.preference_set_datetime') }} as preference_set_at
    from email_opt_in
    inner join report_files on email_opt_in.file_id = report_files.file_id
)

select * from final
