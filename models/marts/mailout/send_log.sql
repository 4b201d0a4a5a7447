-- One row per learner, triggering course run, kind of mail and try.
with

send_log_lines as (
    select * from {{ ref('stg_mailing__send_log_lines') }}
),

learners as (
    select * from {{ ref('learners') }}
),

retired_accounts as (
    select student_id from learners
    where is_retired
),

tries as (
    select
        student_id,
        trigger_course_instance,
        trigger_course_verified,
        attempt,
        max(email) as email,
        max(message_id) as message_id,
        case
            -- the server took it first, so this mail has two outcomes
            when bool_or(event = 'bounced') then 'bounced'
            -- an intent without an outcome: nobody knows whether the server has the mail
            else coalesce(max(event) filter (where event != 'intent'), 'unknown')
        end as status,
        min(logged_at) filter (where event = 'intent') as intended_at,
        max(logged_at) filter (where event != 'intent') as ended_at,
        coalesce(
            max(detail) filter (where event = 'bounced'),
            max(detail) filter (where event != 'intent')
        ) as detail
    from send_log_lines
    group by student_id, trigger_course_instance, trigger_course_verified, attempt
),

final as (
    select
        '{{ var("program") }}' as program,
        tries.student_id,
        tries.trigger_course_instance,
        tries.trigger_course_verified,
        tries.attempt,
        -- who they were is told no more; a server's words may quote the address
        if(retired_accounts.student_id is null, tries.email, null) as email,
        tries.message_id,
        tries.status,
        tries.intended_at,
        tries.ended_at,
        if(retired_accounts.student_id is null, tries.detail, null) as detail
    from tries
    left join retired_accounts on tries.student_id = retired_accounts.student_id
)

select * from final
