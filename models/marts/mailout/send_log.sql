-- One row per learner, triggering course run, kind of mail and try.
with

send_log_lines as (
    select * from {{ ref('stg_mailing__send_log_lines') }}
),

tries as (
    select
        student_id,
        trigger_course_instance,
        trigger_course_verified,
        attempt,
        max(email) as email,
        max(message_id) as message_id,
        -- an intent without an outcome: nobody knows whether the server has the mail
        coalesce(max(event) filter (where event != 'intent'), 'unknown') as status,
        min(logged_at) filter (where event = 'intent') as intended_at,
        max(logged_at) filter (where event != 'intent') as ended_at,
        max(detail) filter (where event != 'intent') as detail,
    from send_log_lines
    group by student_id, trigger_course_instance, trigger_course_verified, attempt
),

final as (
    select
        '{{ var("program") }}' as program,
        student_id,
        trigger_course_instance,
        trigger_course_verified,
        attempt,
        email,
        message_id,
        status,
        intended_at,
        ended_at,
        detail,
    from tries
)

select * from final
